/* tlssink: accept-and-discard ESMTP server: plaintext / STARTTLS / implicit TLS, PIPELINING, CHUNKING (BDAT), AUTH.
 * Threads each with an epoll; listener thread hands out connections round-robin.
 * usage: tlssink [-b addr] [-p starttls_port] [-P implicit_tls_port] [-x plaintext_port] [-C control_socket]
 *   [-c cert.pem -k key.pem] [-t threads] [-d reply_delay_ms] [-g flight_gap_ms] [-K (no CHUNKING)] [-N (no PIPELINING)]
 *   [-T (no session tickets / no resumption)] [-2 (max TLS1.2)]
 * control: a Unix socket, which is reached from every network namespace; one line per connection: "stats" | "reset" | "wait N MS" (N messages or timeout) -> JSON
 * SIGUSR1 and exit (SIGTERM/SIGINT) print the JSON to stderr. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { S_CONN, S_HS, S_RESUMED, S_HSFAIL, S_MSG, S_BYTES, S_CMD, S_EHLO, S_STARTTLS, S_AUTH, S_MAIL, S_RCPT, S_DATA,
       S_BDAT, S_RSET, S_NOOP, S_QUIT, S_OTHER, S_FLIGHT, S_INJECT, S_CLOSED, S_ABORT, S_N };
static const char *sname[] = {"conns", "handshakes", "resumed", "hsfail", "msgs", "bytes", "cmds", "ehlo", "starttls", "auth",
       "mail", "rcpt", "data", "bdat", "rset", "noop", "quit", "other", "flights", "inject", "closed", "aborted_in_data"};
static atomic_llong st[S_N];
static atomic_llong first_ns, last_ns;
#define INC(k, n) atomic_fetch_add_explicit(&st[k], (n), memory_order_relaxed)

static int delay_ms = 0, no_chunk = 0, no_pipe = 0;
static double gap_ms = 0;
static SSL_CTX *ctx;
static long long now_ns(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }

enum { PLAIN, HSHAKE, TLS };
enum { CMD, DATA, BDAT };
struct conn {
  int fd, mode, state, starttls_ok, quit, go_tls, bdat_last, want_out, isnew;
  SSL *ssl;
  long long bdat_left, msgbytes, last_write, due;
  char line[4200]; int ll;
  char tail[8]; int tl;            /* last bytes of DATA stream for end-of-data search */
  char *out; int ol, oc, oo;
  struct conn *dn; int queued;
};
struct thr { int ep; pthread_t t; struct conn *dh, *dt; };
static struct thr *T; static int nT = 2;

static void outs(struct conn *c, const char *s) {
  int n = strlen(s);
  if (c->ol + n > c->oc) { c->oc = (c->ol + n) * 2 + 512; c->out = realloc(c->out, c->oc); }
  memcpy(c->out + c->ol, s, n); c->ol += n;
}
static void msg_done(struct conn *c) {
  long long t = now_ns(), z = 0;
  INC(S_MSG, 1); INC(S_BYTES, c->msgbytes); c->msgbytes = 0;
  atomic_compare_exchange_strong(&first_ns, &z, t);
  atomic_store(&last_ns, t);
}
static void ehlo(struct conn *c) {
  char b[512]; int n = sprintf(b, "250-sink.test\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n");
  if (!no_pipe) n += sprintf(b + n, "250-PIPELINING\r\n");
  if (!no_chunk) n += sprintf(b + n, "250-CHUNKING\r\n");
  if (c->mode == PLAIN && c->starttls_ok) n += sprintf(b + n, "250-STARTTLS\r\n");
  if (c->mode == TLS) n += sprintf(b + n, "250-AUTH PLAIN LOGIN\r\n");
  sprintf(b + n, "250 HELP\r\n");
  outs(c, b);
}
static int isv(const char *l, const char *v) { return strncasecmp(l, v, strlen(v)) == 0; }
static void command(struct conn *c, char *l) {
  INC(S_CMD, 1);
  if (isv(l, "MAIL")) { INC(S_MAIL, 1); outs(c, "250 2.1.0 ok\r\n"); }
  else if (isv(l, "RCPT")) { INC(S_RCPT, 1); outs(c, "250 2.1.5 ok\r\n"); }
  else if (isv(l, "DATA")) { INC(S_DATA, 1); c->state = DATA; memcpy(c->tail, "\r\n", 2); c->tl = 2; outs(c, "354 go\r\n"); }
  else if (isv(l, "BDAT")) {
    INC(S_BDAT, 1); c->bdat_left = atoll(l + 5); c->bdat_last = strcasestr(l, "LAST") != 0; c->state = BDAT;
    if (!c->bdat_left) { c->state = CMD; if (c->bdat_last) msg_done(c); outs(c, "250 2.0.0 ok\r\n"); }
  }
  else if (isv(l, "EHLO") || isv(l, "HELO")) { INC(S_EHLO, 1); ehlo(c); }
  else if (isv(l, "STARTTLS") && c->mode == PLAIN && c->starttls_ok) { INC(S_STARTTLS, 1); outs(c, "220 2.0.0 ready\r\n"); c->go_tls = 1; }
  else if (isv(l, "AUTH")) { INC(S_AUTH, 1); outs(c, "235 2.7.0 ok\r\n"); }
  else if (isv(l, "RSET")) { INC(S_RSET, 1); outs(c, "250 2.0.0 ok\r\n"); }
  else if (isv(l, "NOOP")) { INC(S_NOOP, 1); outs(c, "250 2.0.0 ok\r\n"); }
  else if (isv(l, "QUIT")) { INC(S_QUIT, 1); outs(c, "221 2.0.0 bye\r\n"); c->quit = 1; }
  else { INC(S_OTHER, 1); outs(c, "250 2.0.0 ok\r\n"); }
}
static void feed(struct conn *c, char *p, int n) {
  char *e = p + n;
  while (p < e) {
    if (c->state == CMD) {
      char *q = memchr(p, '\n', e - p); int len = (q ? q + 1 : e) - p;
      if (c->ll + len >= (int)sizeof c->line) { c->ll = 0; }
      if (len < (int)sizeof c->line) { memcpy(c->line + c->ll, p, len); c->ll += len; }
      p += len;
      if (q) {
        while (c->ll && (c->line[c->ll - 1] == '\n' || c->line[c->ll - 1] == '\r')) c->ll--;
        c->line[c->ll] = 0; c->ll = 0; command(c, c->line);
        if (c->go_tls) { if (p < e) INC(S_INJECT, 1); return; }
      }
    } else if (c->state == BDAT) {
      long long k = e - p < c->bdat_left ? e - p : c->bdat_left;
      p += k; c->bdat_left -= k; c->msgbytes += k;
      if (!c->bdat_left) { c->state = CMD; if (c->bdat_last) msg_done(c); outs(c, "250 2.0.0 ok\r\n"); }
    } else {
      /* join tail (<=4 bytes) with up to 4 head bytes, then search the rest */
      char j[16]; int h = e - p < 4 ? e - p : 4; memcpy(j, c->tail, c->tl); memcpy(j + c->tl, p, h);
      char *m = memmem(j, c->tl + h, "\r\n.\r\n", 5); char *end = 0;
      if (m) { end = p + (m + 5 - (j + c->tl)); }
      else if (e - p >= 5 && (m = memmem(p, e - p, "\r\n.\r\n", 5))) end = m + 5;
      if (end) { c->msgbytes += end - p; c->state = CMD; c->tl = 0; p = end; msg_done(c); outs(c, "250 2.0.0 ok queued\r\n"); }
      else {
        c->msgbytes += e - p;
        if (e - p >= 4) { memcpy(c->tail, e - 4, 4); c->tl = 4; }
        else { memcpy(j + c->tl, p, e - p); int tot = c->tl + (e - p), k = tot < 4 ? tot : 4; memmove(c->tail, j + tot - k, k); c->tl = k; }
        p = e;
      }
    }
  }
}
static void cclose(struct conn *c) {
  INC(S_CLOSED, 1); if (c->state != CMD) INC(S_ABORT, 1);
  if (c->ssl) { SSL_shutdown(c->ssl); SSL_free(c->ssl); }
  close(c->fd); c->fd = -1; free(c->out); c->out = 0;
  if (!c->queued) free(c);
}
static void arm(struct thr *t, struct conn *c, int out) {
  if (c->want_out == out) return;
  c->want_out = out; struct epoll_event ev = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};
  epoll_ctl(t->ep, EPOLL_CTL_MOD, c->fd, &ev);
}
static int start_tls(struct thr *t, struct conn *c) { c->ssl = SSL_new(ctx); SSL_set_fd(c->ssl, c->fd); SSL_set_accept_state(c->ssl); c->mode = HSHAKE; (void)t; return 0; }
/* returns -1 if the connection was closed */
static int flush(struct thr *t, struct conn *c) {
  if (c->ol > c->oo) c->last_write = now_ns();
  while (c->oo < c->ol) {
    int n;
    if (c->mode == TLS) { n = SSL_write(c->ssl, c->out + c->oo, c->ol - c->oo);
      if (n <= 0) { int e = SSL_get_error(c->ssl, n); if (e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ) { arm(t, c, 1); return 0; } cclose(c); return -1; } }
    else { n = send(c->fd, c->out + c->oo, c->ol - c->oo, MSG_NOSIGNAL);
      if (n < 0) { if (errno == EAGAIN) { arm(t, c, 1); return 0; } cclose(c); return -1; } }
    c->oo += n;
  }
  c->oo = c->ol = 0; arm(t, c, 0);
  if (c->quit) { cclose(c); return -1; }
  if (c->go_tls) { c->go_tls = 0; c->ll = 0; start_tls(t, c); }
  return 0;
}
static int respond(struct thr *t, struct conn *c) {
  if (c->ol == c->oo) return 0;
  if (!delay_ms) return flush(t, c);
  if (c->queued) return 0;
  c->due = now_ns() + delay_ms * 1000000LL; c->dn = 0; c->queued = 1;
  if (t->dt) t->dt->dn = c; else t->dh = c;
  t->dt = c; return 0;
}
static int handle(struct thr *t, struct conn *c, unsigned ev) {
  static __thread char buf[1 << 18];
  if (c->isnew) { c->isnew = 0; if (c->mode == HSHAKE) start_tls(t, c); else { outs(c, "220 sink.test ESMTP tlssink\r\n"); if (respond(t, c) < 0) return -1; } }
  if (c->mode == HSHAKE) {
    ERR_clear_error();
    int r = SSL_do_handshake(c->ssl);
    if (r != 1) { int e = SSL_get_error(c->ssl, r);
      if (e == SSL_ERROR_WANT_READ) { arm(t, c, 0); return 0; } if (e == SSL_ERROR_WANT_WRITE) { arm(t, c, 1); return 0; }
      INC(S_HSFAIL, 1); cclose(c); return -1; }
    INC(S_HS, 1); if (SSL_session_reused(c->ssl)) INC(S_RESUMED, 1);
    c->mode = TLS; c->last_write = now_ns();
    if (!c->starttls_ok) { outs(c, "220 sink.test ESMTP tlssink\r\n"); if (respond(t, c) < 0) return -1; }
  }
  if ((ev & EPOLLOUT) && !c->queued && c->ol > c->oo) if (flush(t, c) < 0) return -1;
  int counted = 0;
  for (int loops = 0; loops < 64; loops++) {
    int n;
    if (c->mode == TLS) {
      ERR_clear_error();
      n = SSL_read(c->ssl, buf, sizeof buf);
      if (n <= 0) { int e = SSL_get_error(c->ssl, n); if (e == SSL_ERROR_WANT_READ) break; if (e == SSL_ERROR_WANT_WRITE) { arm(t, c, 1); break; } cclose(c); return -1; }
      if (!SSL_has_pending(c->ssl) && loops < 63) loops = 62; /* one more read at most, avoids starving others */
    } else if (c->mode == PLAIN) {
      n = recv(c->fd, buf, sizeof buf, 0);
      if (n == 0) { cclose(c); return -1; } if (n < 0) { if (errno == EAGAIN) break; cclose(c); return -1; }
      if (n < (int)sizeof buf) loops = 63;
    } else break;
    if (!counted && c->state == CMD) { counted = 1; if (gap_ms <= 0 || now_ns() - c->last_write >= gap_ms * 1e6) INC(S_FLIGHT, 1); }
    feed(c, buf, n);
    if (c->go_tls || c->quit) break;
  }
  return respond(t, c);
}
static void *loop(void *a) {
  struct thr *t = a; struct epoll_event ev[256];
  for (;;) {
    int to = -1; long long n;
    while (t->dh) { struct conn *c = t->dh; n = now_ns(); if (c->due > n) { to = (c->due - n + 999999) / 1000000; break; }
      t->dh = c->dn; if (!t->dh) t->dt = 0; c->queued = 0; if (c->fd < 0) free(c); else flush(t, c); }
    int k = epoll_wait(t->ep, ev, 256, to);
    for (int i = 0; i < k; i++) handle(t, ev[i].data.ptr, ev[i].events);
  }
  return 0;
}
static int lst(const char *addr, int port) {
  int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1; setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)}; inet_pton(AF_INET, addr, &a.sin_addr);
  if (bind(s, (void *)&a, sizeof a) || listen(s, 4096)) { perror("bind/listen"); exit(1); } return s;
}
static int lst_unix(const char *path) {
  int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); struct sockaddr_un a = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof a.sun_path) { fprintf(stderr, "control socket: path too long\n"); exit(1); }
  strcpy(a.sun_path, path);
  if (bind(s, (void *)&a, sizeof a) || listen(s, 16)) { perror("bind/listen control"); exit(1); } return s;
}
static int tojson(char *b) {
  int n = sprintf(b, "{"); for (int i = 0; i < S_N; i++) n += sprintf(b + n, "\"%s\":%lld,", sname[i], (long long)st[i]);
  n += sprintf(b + n, "\"first_ns\":%lld,\"last_ns\":%lld}\n", (long long)first_ns, (long long)last_ns); return n;
}
static void onsig(int s) { char b[4096]; int n = tojson(b); if (write(2, b, n)) {} if (s != SIGUSR1) _exit(0); }
static void *control(void *a) {
  int s = *(int *)a;
  for (;;) { int f = accept(s, 0, 0); if (f < 0) continue; char l[256]; int n = read(f, l, 255); if (n < 0) n = 0; l[n] = 0;
    if (!strncmp(l, "reset", 5)) { for (int i = 0; i < S_N; i++) st[i] = 0; first_ns = 0; last_ns = 0; }
    else if (!strncmp(l, "wait", 4)) { long long want = 0, ms = 0; sscanf(l + 4, "%lld %lld", &want, &ms); long long end = now_ns() + ms * 1000000;
      while (st[S_MSG] < want && now_ns() < end) usleep(2000); }
    char b[4096]; n = tojson(b); if (write(f, b, n)) {} close(f); }
  return 0;
}
int main(int ac, char **av) {
  const char *addr = "127.0.0.1", *cert = 0, *key = 0, *C = 0; int p = 0, P = 0, x = 0, o, notick = 0, tls12 = 0;
  while ((o = getopt(ac, av, "b:p:P:x:C:c:k:t:d:g:KNT2")) > 0) switch (o) {
    case 'b': addr = optarg; break; case 'p': p = atoi(optarg); break; case 'P': P = atoi(optarg); break; case 'x': x = atoi(optarg); break;
    case 'C': C = optarg; break; case 'c': cert = optarg; break; case 'k': key = optarg; break; case 't': nT = atoi(optarg); break;
    case 'd': delay_ms = atoi(optarg); break; case 'g': gap_ms = atof(optarg); break; case 'K': no_chunk = 1; break; case 'N': no_pipe = 1; break;
    case 'T': notick = 1; break; case '2': tls12 = 1; break; default: return 2; }
  signal(SIGPIPE, SIG_IGN); signal(SIGUSR1, onsig); signal(SIGTERM, onsig); signal(SIGINT, onsig);
  if (cert) { ctx = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 || SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) { ERR_print_errors_fp(stderr); return 1; }
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_id_context(ctx, (void *)"sink", 4);
    if (notick) { SSL_CTX_set_num_tickets(ctx, 0); SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET); SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); }
    if (tls12) SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION); }
  T = calloc(nT, sizeof *T); for (int i = 0; i < nT; i++) { T[i].ep = epoll_create1(EPOLL_CLOEXEC); pthread_create(&T[i].t, 0, loop, &T[i]); }
  if (C) { static int cs; cs = lst_unix(C); pthread_t q; pthread_create(&q, 0, control, &cs); }
  int ports[3] = {p, P, x}, ep = epoll_create1(EPOLL_CLOEXEC), rr = 0;
  for (int i = 0; i < 3; i++) if (ports[i]) { int s = lst(addr, ports[i]); struct epoll_event e = {.events = EPOLLIN, .data.u64 = (unsigned)s | ((unsigned long long)i << 32)}; epoll_ctl(ep, EPOLL_CTL_ADD, s, &e); }
  for (;;) { struct epoll_event ev[8]; int k = epoll_wait(ep, ev, 8, -1);
    for (int i = 0; i < k; i++) { int s = (int)(ev[i].data.u64 & 0xffffffff), kind = ev[i].data.u64 >> 32;
      int f = accept4(s, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC); if (f < 0) continue;
      int one = 1; setsockopt(f, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      struct conn *c = calloc(1, sizeof *c); c->fd = f; c->isnew = 1; c->mode = kind == 1 ? HSHAKE : PLAIN; c->starttls_ok = kind == 0 && ctx; INC(S_CONN, 1);
      struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c}; c->want_out = 1; epoll_ctl(T[rr++ % nT].ep, EPOLL_CTL_ADD, f, &e); } }
}
