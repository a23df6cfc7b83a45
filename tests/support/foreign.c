/* Somebody else's handler of SIGBUS and SIGSEGV, and accesses that nobody guards. What test_signals.py loads. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct sigaction earlier[2];
static int passes_on;

static void say(int number, const siginfo_t *info)
{
    char text[120];
    int length = snprintf(text, sizeof text, "foreign: signal %d, sent %d, page offset %d\n", number,
                          info->si_code <= 0, info->si_code > 0 ? (int)((size_t)info->si_addr & 4095) : 0);
    if (write(2, text, (size_t)length) < 0)
        _exit(71);
}

static void on_signal(int number, siginfo_t *info, void *machine)
{
    const struct sigaction *before = &earlier[number == SIGSEGV];
    say(number, info);
    if (!passes_on)
        _exit(70);
    if (before->sa_flags & SA_SIGINFO) {
        before->sa_sigaction(number, info, machine);
    } else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
        before->sa_handler(number);
    } else {
        sigaction(number, before, NULL);
        if (info->si_code <= 0)
            raise(number);
    }
}

static void on_plain_signal(int number)
{
    static const char text[] = "foreign: plain\n";
    (void)number;
    if (write(2, text, sizeof text - 1) < 0)
        _exit(71);
    _exit(70);
}

/* kind: 'e' ends the process, 'c' passes on to whoever was there before, 'p' takes no siginfo, 'o' is called once. */
int install(int kind)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    passes_on = kind == 'c' || kind == 'o';
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | (kind == 'o' ? SA_RESETHAND : 0);
    action.sa_sigaction = on_signal;
    if (kind == 'p') {
        action.sa_flags = 0;
        action.sa_handler = on_plain_signal;
    }
    if (kind == 'o') /* and returns to an access that faults again */
        memset(earlier, 0, sizeof earlier);
    return sigaction(SIGBUS, &action, &earlier[0]) | sigaction(SIGSEGV, &action, &earlier[1]);
}

/* For some milliseconds, many times. */
void install_often(int kind)
{
    for (int i = 0; i < 20000; i++)
        install(kind);
}

/* 1 when nobody has SIGBUS. */
int is_default(void)
{
    struct sigaction now;
    return sigaction(SIGBUS, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL;
}

int touch(const volatile char *address)
{
    return *address;
}
