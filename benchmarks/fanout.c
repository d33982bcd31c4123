/* fanout: the ceiling. An epoll loop that answers each connection's first line as if it had joined,
 * tells everyone else, and from then on relays its lines to everyone else. It checks nothing,
 * keeps no names and parses no JSON; what one read brought goes to each receiver in one write.
 *
 *   fanout PORT        listens on 127.0.0.1, ends with SIGTERM
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ = 65536, LINE = 8192 };
struct member {
    int fd, place, joined, waits;
    int part_octets, out_octets, out_space;
    char part[LINE], *out;
};
static struct member **members;
static int count, space, epoll;

static void watch(struct member *m, int operation) {
    struct epoll_event event = {.events = EPOLLIN | (m->waits ? EPOLLOUT : 0), .data.ptr = m};
    epoll_ctl(epoll, operation, m->fd, &event);
}

static void keep(struct member *m, const char *data, int octets) {
    if (m->out_octets + octets > m->out_space) m->out = realloc(m->out, m->out_space = 2 * (m->out_octets + octets));
    memcpy(m->out + m->out_octets, data, octets);
    m->out_octets += octets;
    if (!m->waits) { m->waits = 1; watch(m, EPOLL_CTL_MOD); }
}

static void give(struct member *m, const char *data, int octets) {
    ssize_t sent = m->waits ? 0 : send(m->fd, data, octets, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return; /* the reader sees it, too */
    if (sent < 0) sent = 0;
    if (sent < octets) keep(m, data + sent, octets - sent);
}

static void go_on(struct member *m) {
    ssize_t sent = send(m->fd, m->out, m->out_octets, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) memmove(m->out, m->out + sent, m->out_octets -= sent);
    if (!m->out_octets) { m->waits = 0; watch(m, EPOLL_CTL_MOD); }
}

static void let_in(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct member *m = calloc(1, sizeof *m);
    if (count == space) members = realloc(members, (space = 2 * space + 64) * sizeof *members);
    m->fd = fd;
    m->place = count;
    members[count++] = m;
    watch(m, EPOLL_CTL_ADD);
}

static void let_go(struct member *m) {
    close(m->fd);
    members[m->place] = members[--count];
    members[m->place]->place = m->place;
    free(m->out);
    free(m);
}

static void relay(struct member *from, const char *data, int octets) {
    for (int i = 0; i < count; i++)
        if (members[i] != from && members[i]->joined) give(members[i], data, octets);
}

static void join(struct member *m, const char *line, int octets) {
    char told[256];
    const char *name = memmem(line, octets, ": \"", 3);
    give(m, "{\"isConnected\": true, \"errorCode\": -1}\n", 39);
    m->joined = 1;
    int length = name ? (int)(line + octets - name) - 5 : 0;
    relay(m, told, snprintf(told, sizeof told, "{\"message\": \"User has connected\", \"dm\": null, \"sender\": \"%.*s\", \"length\": 18, \"date\": \"2018-05-02 15:06:02.123456+00:00\"}\n", length, name ? name + 3 : ""));
}

static void hear(struct member *m) {
    static char data[LINE + READ];
    memcpy(data, m->part, m->part_octets);
    ssize_t octets = recv(m->fd, data + m->part_octets, READ, 0);
    if (octets < 0 && errno == EAGAIN) return;
    if (octets <= 0) { let_go(m); return; }
    char *start = data, *end = data + m->part_octets + octets, *newline;
    if (!m->joined && (newline = memchr(start, '\n', end - start))) {
        join(m, start, newline - start);
        start = newline + 1;
    }
    newline = m->joined ? memrchr(start, '\n', end - start) : NULL;
    if (newline) {
        relay(m, start, newline + 1 - start);
        start = newline + 1;
    }
    m->part_octets = end - start < LINE ? end - start : 0;
    memcpy(m->part, start, m->part_octets);
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 0), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) { perror("fanout"); return 1; }
    epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct member *m = events[i].data.ptr;
            if (!m) { let_in(listener); continue; }
            if (events[i].events & EPOLLOUT) go_on(m);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) hear(m);
        }
    }
}
