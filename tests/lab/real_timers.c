// Before libfaketime: it moves the moment of an absolute timer as if that were of the wall clock, so that one of
// CLOCK_MONOTONIC that should fire at once fires in a year, and the program that waits for it stands still.
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

int timerfd_settime(int fd, int flags, const struct itimerspec* value, struct itimerspec* before) {
  return (int)syscall(SYS_timerfd_settime, fd, flags, value, before);
}

int timerfd_gettime(int fd, struct itimerspec* value) {
  return (int)syscall(SYS_timerfd_gettime, fd, value);
}
