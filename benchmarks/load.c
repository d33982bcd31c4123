/* load: joins many clients to a chat server on 127.0.0.1, makes some of them talk, and checks and
 * times every single delivery. Built and driven by run.py.
 *
 *   load PORT [--irc] [--senders M] [--receivers N] [--deaf K] [--joining J] [--text OCTETS]
 *        [--pid SERVER] [--limit SECONDS] [--in-turn] PHASE...
 *
 * A PHASE is one of
 *   rate:R:S      R messages a second for S seconds in all; how late each delivery is
 *   window:W:M    M messages from each sender, at most W of each on their way; how fast it goes
 *   hold:S        nothing, for S seconds
 * Deaf clients join, and never read again. With --in-turn it writes an empty line to stderr before
 * each phase, and before it ends, and waits for one on stdin, so that several of these can take turns.
 *
 * One epoll loop. Frames are lines, which is what all servers measured here send. A message's text
 * is "#=" SENDER(4) PHASE(2) NUMBER(8) NANOSECONDS(16), in hexadecimal, and filler that depends on
 * NUMBER. Every receiver has a bit for every message, so lost, duplicated, reordered and corrupt
 * deliveries are told apart; a checksum over the order in which each listener heard all messages
 * tells whether there was one order for all. Who is told of whom is kept as a matrix of bits.
 *
 * Prints one JSON object. Exit status: 0 all was right, 1 something was not, 2 it could not run.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 2 + 4 + 2 + 8 + 16, MAX_TEXT = 3000, MAX_LINE = 65536, READ = 256 * 1024 };
enum stage { UNUSED, CONNECTING, GREETED, ENTERING, JOINED, GONE };

struct client {
    int fd, number, in_flight, part_octets, out_octets;
    enum stage stage;
    bool deaf, wants_out;
    char *part;              /* the beginning of a line */
    char *out;               /* what the kernel did not take */
    uint8_t *heard;          /* a bit for each message of the phase */
    uint32_t *highest;       /* for each sender, 1 + the highest number heard */
    uint64_t order;          /* checksum of the order */
};

static int port, senders = 1, receivers = 10, deaf, joining = 16, text = 100, server;
static double limit = 60;
static bool irc, in_turn;

static struct client *clients;
static int count, epoll, joined, lost_clients;
static char why[200], filler[MAX_TEXT + 64];
static uint8_t *told;        /* bit (observer, newcomer) */
static uint64_t told_once, told_again, last_read, end_of_time;
static struct phase {
    int id, messages;        /* messages of each sender */
    uint32_t *sent, *complete, *received; /* per sender; per sender; per message */
    uint32_t *delays;        /* microseconds; only in a rate phase */
    uint64_t good, duplicated, reordered, corrupt, expected_each, finished;
} *phase;

static void fail(const char *format, ...) {
    va_list rest;
    va_start(rest, format);
    fprintf(stderr, "load: ");
    vfprintf(stderr, format, rest);
    fprintf(stderr, "\n");
    exit(2);
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void *zeroed(size_t items, size_t size) {
    void *memory = calloc(items ? items : 1, size);
    if (!memory) fail("out of memory");
    return memory;
}

static bool set_bit(uint8_t *bits, uint64_t place) { /* whether it was set already */
    bool was = bits[place >> 3] >> (place & 7) & 1;
    bits[place >> 3] |= 1 << (place & 7);
    return was;
}

/* The server process */

static double server_cpu(void) {
    clockid_t clock; /* to the nanosecond; /proc has hundredths of a second */
    struct timespec t;
    if (!server || clock_getcpuclockid(server, &clock) || clock_gettime(clock, &t)) return 0;
    return t.tv_sec + t.tv_nsec / 1e9;
}

static long server_status(const char *name) { /* kB, or a count; 0 if there is none */
    char path[64], line[256];
    long value = 0;
    snprintf(path, sizeof path, "/proc/%d/status", server);
    FILE *file = server ? fopen(path, "r") : NULL;
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':') value = atol(line + strlen(name) + 1);
    fclose(file);
    return value;
}

/* Writing */

static void watch(struct client *c) {
    struct epoll_event event = {.events = (c->deaf && c->stage == JOINED ? 0 : EPOLLIN) | (c->wants_out ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void drop(struct client *c, const char *reason) {
    if (c->stage == GONE) return;
    if (!(c->deaf && c->stage == JOINED)) {
        lost_clients++;
        if (!*why) snprintf(why, sizeof why, "client %d at stage %d: %s", c->number, c->stage, reason);
    }
    c->stage = GONE;
    close(c->fd);
}

static void flush(struct client *c) {
    ssize_t done = send(c->fd, c->out, c->out_octets, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0 && errno != EAGAIN) { drop(c, strerror(errno)); return; }
    if (done > 0) memmove(c->out, c->out + done, c->out_octets -= done);
    if (c->wants_out != (c->out_octets > 0)) { c->wants_out = c->out_octets > 0; watch(c); }
}

static void put(struct client *c, const char *data, int octets) {
    if (c->out_octets + octets > 256 * 1024) fail("too much is on its way; use a smaller window");
    if (!c->out) c->out = zeroed(1, 256 * 1024);
    memcpy(c->out + c->out_octets, data, octets);
    c->out_octets += octets;
}

/* Joining */

static void greet(struct client *c) {
    char line[128];
    const char *format = irc ? "NICK u%05d\r\nUSER u%05d 0 * :u\r\n" : "{\"username\": \"u%05d\"}\n";
    put(c, line, snprintf(line, sizeof line, format, c->number, c->number));
    c->stage = GREETED;
    c->wants_out = true;
    flush(c);
}

static void enter(struct client *c) {
    c->stage = JOINED;
    joined++;
    c->in_flight = 0;
    if (c->deaf) watch(c);
}

static bool has(const char *line, int octets, const char *what) { return memmem(line, octets, what, strlen(what)); }

static bool is_reply(const char *line, int octets, const char *number) {
    const char *space = memchr(line, ' ', octets);
    return space && line + octets - space > 5 && !strncmp(space + 1, number, 3) && space[4] == ' ';
}

static void on_line_before_join(struct client *c, const char *line, int octets) {
    if (!irc) {
        if (!has(line, octets, "\"isConnected\"")) drop(c, "hears something before its join is answered");
        else if (has(line, octets, "true")) enter(c);
        else drop(c, "is refused");
    } else if (!strncmp(line, "PING ", 5)) {
        put(c, "PONG ", 5);
        put(c, line + 5, octets - 5);
        flush(c);
    } else if (c->stage == GREETED && is_reply(line, octets, "001")) {
        put(c, "JOIN #room\r\n", 12);
        c->stage = ENTERING;
        flush(c);
    } else if (is_reply(line, octets, "366")) enter(c);
    else if (!strncmp(line, "ERROR", 5) || is_reply(line, octets, "433")) drop(c, "is refused");
}

static bool announces_join(const char *line, int octets, int *newcomer) {
    const char *name;
    if (irc) {
        if (!has(line, octets, " JOIN ")) return false;
        name = line + 1;
    } else {
        if (!has(line, octets, "\"User has connected\"")) return false;
        name = memmem(line, octets, "\"sender\":", 9);
        if (!name) return false;
        name += name[9] == ' ' ? 11 : 10;
    }
    *newcomer = name[0] == 'u' ? atoi(name + 1) : -1;
    return *newcomer >= 0 && *newcomer < count;
}

static void on_other_line(struct client *c, const char *line, int octets) {
    int newcomer;
    if (irc && !strncmp(line, "PING ", 5)) {
        put(c, "PONG ", 5);
        put(c, line + 5, octets - 5);
        flush(c);
    } else if (announces_join(line, octets, &newcomer) && newcomer != c->number) {
        if (set_bit(told, (uint64_t)c->number * count + newcomer)) told_again++;
        else told_once++;
    }
}

/* Messages */

static uint64_t hexadecimal(const char *digits, int number) {
    uint64_t value = 0;
    for (int i = 0; i < number; i++) value = value << 4 | ((digits[i] & 15) + (digits[i] > '9' ? 9 : 0));
    return value;
}

static void compose(struct client *c, uint32_t number) {
    char line[MAX_TEXT + 256];
    int octets = irc ? sprintf(line, "PRIVMSG #room :") : sprintf(line, "{\"message\": \"");
    octets += sprintf(line + octets, "#=%04x%02x%08x%016llx", c->number, phase->id, number, (unsigned long long)now());
    memcpy(line + octets, filler + number % 26, text - HEAD);
    octets += text - HEAD;
    octets += irc ? sprintf(line + octets, "\r\n") : sprintf(line + octets, "\", \"sender\": \"u%05d\", \"dm\": null}\n", c->number);
    put(c, line, octets);
}

static void on_message(struct client *c, const char *mark, const char *end) {
    struct phase *p = phase;
    uint32_t from = hexadecimal(mark + 2, 4), number = hexadecimal(mark + 8, 8);
    if (!p || end - mark < text || hexadecimal(mark + 6, 2) != (unsigned)p->id || from >= (uint32_t)senders ||
        from == (uint32_t)c->number || number >= (uint32_t)p->messages ||
        memcmp(mark + HEAD, filler + number % 26, text - HEAD)) {
        if (p) p->corrupt++;
        return;
    }
    uint64_t message = (uint64_t)from * p->messages + number;
    if (set_bit(c->heard, message)) { p->duplicated++; return; }
    if (number + 1 < c->highest[from]) p->reordered++;
    else c->highest[from] = number + 1;
    c->order = c->order * 6364136223846793005ull + message + 1;
    if (p->delays) p->delays[p->good] = (last_read - hexadecimal(mark + 16, 16)) / 1000;
    p->good++;
    p->received[message]++;
    while (p->complete[from] < (uint32_t)p->messages && p->received[(uint64_t)from * p->messages + p->complete[from]] >= p->expected_each)
        p->complete[from]++;
    p->finished = last_read;
}

static void on_line(struct client *c, const char *line, int octets) {
    if (c->stage != JOINED) { on_line_before_join(c, line, octets); return; }
    const char *mark = memmem(line, octets, "#=", 2);
    if (mark && line + octets - mark > HEAD) on_message(c, mark, line + octets);
    else on_other_line(c, line, octets);
}

/* Reading */

static void on_readable(struct client *c) {
    static char space[MAX_LINE + READ];
    char *start = space + MAX_LINE - c->part_octets, *line = start;
    ssize_t octets = recv(c->fd, space + MAX_LINE, READ, MSG_DONTWAIT);
    if (octets < 0 && errno == EAGAIN) return;
    if (octets <= 0) { drop(c, octets ? strerror(errno) : "the server closed the connection"); return; }
    last_read = now();
    memcpy(start, c->part, c->part_octets);
    char *end = space + MAX_LINE + octets, *newline;
    char *search = space + MAX_LINE;
    while (c->stage != GONE && (newline = memchr(search, '\n', end - search))) {
        on_line(c, line, newline + 1 - line);
        line = search = newline + 1;
    }
    c->part_octets = end - line;
    if (c->part_octets > MAX_LINE) { drop(c, "the server sends a line without end"); return; }
    if (!c->part) c->part = zeroed(1, MAX_LINE);
    memcpy(c->part, line, c->part_octets);
}

static void turn(uint64_t until) { /* handle what happens until then, once */
    struct epoll_event events[256];
    uint64_t t = now();
    if (t > end_of_time) return;
    struct timespec wait = {0};
    if (until > t) wait = (struct timespec){(until - t) / 1000000000, (until - t) % 1000000000};
    int ready = epoll_pwait2(epoll, events, 256, &wait, NULL);
    for (int i = 0; i < ready; i++) {
        struct client *c = events[i].data.ptr;
        if (c->stage == CONNECTING) {
            int error = 0;
            socklen_t size = sizeof error;
            getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
            if (error) drop(c, strerror(error));
            else greet(c);
            continue;
        }
        if (c->stage != GONE && events[i].events & (EPOLLHUP | EPOLLERR) && c->deaf) drop(c, "");
        if (c->stage != GONE && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
        if (c->stage != GONE && events[i].events & EPOLLOUT) flush(c);
    }
}

/* Phases */

static void dial(struct client *c) {
    int on = 1, small = 4096;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) fail("no socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (c->deaf) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    c->stage = CONNECTING;
    c->wants_out = true;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) drop(c, strerror(errno));
}

static bool join_everyone(void) {
    uint64_t pairs = (uint64_t)count * (count - 1) / 2, begun = now();
    long memory = server_status("VmRSS");
    double cpu = server_cpu();
    for (int next = 0; (joined < count || told_once < pairs) && !lost_clients && now() < end_of_time;) {
        while (next < count && next - joined < joining) dial(&clients[next++]);
        /* Deaf clients hear of nobody, so then only the joins can be waited for. */
        if (deaf && joined == count) break;
        turn(now() + 100000000);
        if (last_read && now() - last_read > 10000000000ull) break;
    }
    uint64_t done = last_read;
    for (uint64_t t = now() + 50000000; now() < t;) turn(t); /* what comes late, or twice */
    uint64_t wrong = told_again;
    for (uint64_t a = 0; a < (uint64_t)count && !deaf; a++)
        for (uint64_t b = 0; b < a; b++)
            wrong += (told[(a * count + b) >> 3] >> ((a * count + b) & 7) & 1) + (told[(b * count + a) >> 3] >> ((b * count + a) & 7) & 1) != 1;
    memory = server_status("VmRSS") - memory;
    printf("{\"joins\": {\"clients\": %d, \"joined\": %d, \"seconds\": %.4f, \"joins_per_second\": %.1f, \"told\": %llu, \"told_wrong\": %llu, \"server_cpu_s\": %.2f}",
           count, joined, (done - begun) / 1e9, joined / ((done - begun) / 1e9), (unsigned long long)told_once, (unsigned long long)wrong, server_cpu() - cpu);
    printf(", \"memory\": {\"kb_per_connection\": %.2f, \"rss_kb\": %ld, \"threads\": %ld}", (double)memory / count, server_status("VmRSS"), server_status("Threads"));
    return joined == count && !wrong;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool report(const char *kind, uint64_t begun, double cpu) {
    struct phase *p = phase;
    uint64_t expected = (uint64_t)senders * p->messages * p->expected_each, lost = expected - p->good;
    double seconds = (p->finished - begun) / 1e9, millions = p->good / 1e6;
    bool one_order = true;
    int first = senders;
    while (first < count && clients[first].stage != JOINED) first++;
    for (int i = first; i < count; i++)
        if (clients[i].stage == JOINED && !clients[i].deaf && clients[i].order != clients[first].order) one_order = false;
    printf("{\"kind\": \"%s\", \"deliveries\": %llu, \"lost\": %llu, \"duplicated\": %llu, \"reordered\": %llu, \"corrupt\": %llu, \"one_order\": %s, \"seconds\": %.4f, \"deliveries_per_second\": %.0f, \"server_cpu_s_per_million\": %.4f, \"rss_kb\": %ld",
           kind, (unsigned long long)p->good, (unsigned long long)lost, (unsigned long long)p->duplicated, (unsigned long long)p->reordered, (unsigned long long)p->corrupt,
           one_order ? "true" : "false", seconds, p->good / seconds, millions > 0 ? (server_cpu() - cpu) / millions : 0, server_status("VmRSS"));
    if (p->delays && p->good) {
        qsort(p->delays, p->good, sizeof *p->delays, ascending);
        printf(", \"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u", p->delays[p->good / 2], p->delays[p->good * 99 / 100], p->delays[p->good - 1]);
    }
    printf("}");
    return !lost && !p->duplicated && !p->reordered && !p->corrupt && one_order;
}

static bool exchange(const char *kind, int id, double rate, int window, int messages) {
    struct phase p = {.id = id, .messages = messages};
    for (int i = 0; i < count; i++) {
        struct client *c = &clients[i];
        if (c->stage != JOINED || c->deaf) continue;
        p.expected_each++;
        c->heard = zeroed((uint64_t)senders * messages / 8 + 1, 1);
        c->highest = zeroed(senders, sizeof *c->highest);
        c->order = 0;
    }
    p.expected_each--; /* a sender hears nothing of itself */
    uint64_t all = (uint64_t)senders * messages, expected = all * p.expected_each, issued = 0;
    p.sent = zeroed(senders, sizeof *p.sent);
    p.complete = zeroed(senders, sizeof *p.complete);
    p.received = zeroed(all, sizeof *p.received);
    if (rate > 0) p.delays = zeroed(expected, sizeof *p.delays);
    phase = &p;
    double cpu = server_cpu();
    uint64_t begun = now();
    last_read = p.finished = begun;
    while (p.good < expected && !lost_clients && now() < end_of_time && now() - last_read < 10000000000ull) {
        uint64_t due = rate > 0 ? begun + (uint64_t)(issued * 1e9 / rate) : UINT64_MAX;
        if (rate > 0 && issued < all && now() >= due) {
            struct client *c = &clients[issued++ % senders];
            compose(c, p.sent[c->number]++);
            flush(c);
            continue;
        }
        for (int i = 0; window && i < senders; i++) {
            struct client *c = &clients[i];
            while (c->stage == JOINED && !c->wants_out && p.sent[i] < (uint32_t)messages && p.sent[i] - p.complete[i] < (uint32_t)window) {
                compose(c, p.sent[i]++);
                flush(c); /* a message is a write of its own, as a person's would be */
            }
        }
        uint64_t until = now() + 100000000;
        turn(issued < all && due < until ? due : until);
    }
    for (uint64_t t = now() + 50000000; now() < t;) turn(t); /* what comes late, or twice */
    bool good = report(kind, begun, cpu);
    phase = NULL;
    for (int i = 0; i < count; i++) {
        free(clients[i].heard);
        free(clients[i].highest);
        clients[i].heard = NULL;
        clients[i].highest = NULL;
    }
    free(p.sent), free(p.complete), free(p.received), free(p.delays);
    return good;
}

static void wait_for_our_turn(void) {
    fputc('\n', stderr);
    for (int c = getchar(); c != '\n'; c = getchar())
        if (c == EOF) fail("nobody gives it a turn");
}

static bool run(const char *what, int id) {
    double a = 0, b = 0;
    if (in_turn) wait_for_our_turn();
    if (sscanf(what, "rate:%lf:%lf", &a, &b) == 2 && a > 0 && b > 0) return exchange("rate", id, a, 0, (int)(a * b / senders) + 1);
    if (sscanf(what, "window:%lf:%lf", &a, &b) == 2 && a >= 1 && b >= 1) return exchange("window", id, 0, (int)a, (int)b);
    if (sscanf(what, "hold:%lf", &a) != 1) fail("%s is no phase: it has to be rate:R:S, window:W:M or hold:S", what);
    double cpu = server_cpu();
    for (uint64_t until = now() + (uint64_t)(a * 1e9); now() < until && now() < end_of_time;) turn(until);
    printf("{\"kind\": \"hold\", \"seconds\": %.2f, \"server_cpu_s\": %.2f, \"rss_kb\": %ld}", a, server_cpu() - cpu, server_status("VmRSS"));
    return true;
}

int main(int argc, char **argv) {
    const char *phases[UINT8_MAX]; /* their ids have two hexadecimal digits */
    int number_of_phases = 0;
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i], *value = i + 1 < argc ? argv[i + 1] : "0";
        if (!strcmp(argument, "--irc")) { irc = true; continue; }
        if (!strcmp(argument, "--in-turn")) { in_turn = true; continue; }
        if (strncmp(argument, "--", 2)) {
            if (!port) port = atoi(argument);
            else if (number_of_phases == UINT8_MAX) fail("it takes %d phases at most", UINT8_MAX);
            else phases[number_of_phases++] = argument;
            continue;
        }
        i++;
        if (!strcmp(argument, "--senders")) senders = atoi(value);
        else if (!strcmp(argument, "--receivers")) receivers = atoi(value);
        else if (!strcmp(argument, "--deaf")) deaf = atoi(value);
        else if (!strcmp(argument, "--joining")) joining = atoi(value);
        else if (!strcmp(argument, "--text")) text = atoi(value);
        else if (!strcmp(argument, "--pid")) server = atoi(value);
        else if (!strcmp(argument, "--limit")) limit = atof(value);
        else fail("%s is no option", argument);
    }
    if (port < 1 || port > 65535) fail("a port is needed, 1 to 65535");
    if (senders < 1 || senders > 65535 || receivers < 0 || deaf < 0 || joining < 1 || limit <= 0) fail("a number is out of range");
    if (text < HEAD || text > MAX_TEXT) fail("a text has %d to %d octets", HEAD, MAX_TEXT);
    alarm((unsigned)limit + 15);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    count = senders + receivers + deaf;
    clients = zeroed(count, sizeof *clients);
    told = zeroed(((uint64_t)count * count >> 3) + 1, 1);
    for (int i = 0; i < count; i++) clients[i] = (struct client){.number = i, .deaf = i >= senders + receivers};
    for (size_t i = 0; i < sizeof filler; i++) filler[i] = 'a' + i % 26;
    epoll = epoll_create1(0);
    end_of_time = now() + (uint64_t)(limit * 1e9);
    bool good = join_everyone();
    printf(", \"phases\": [");
    for (int i = 0; i < number_of_phases && joined == count; i++) {
        printf(i ? ", " : "");
        good &= run(phases[i], i + 1);
    }
    if (in_turn) wait_for_our_turn();
    int cut_off = 0;
    for (int i = senders + receivers; i < count; i++) cut_off += clients[i].stage == GONE;
    printf("], \"deaf_cut_off\": %d, \"peak_rss_kb\": %ld, \"lost_clients\": %d, \"why\": \"%s\"}\n", cut_off, server_status("VmHWM"), lost_clients, why);
    return good && !lost_clients ? 0 : 1;
}
