/* Preloaded, makes each sync of the disk slow and counts it: SYNC_MS is what it takes, ms; SYNC_LOG gets a byte for each. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int slowly(const char *name, int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  const char *ms = getenv("SYNC_MS"), *log = getenv("SYNC_LOG");
  if (ms) usleep((useconds_t)atoi(ms) * 1000);
  if (log) {
    int file = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0) {
      if (write(file, "s", 1) < 0) abort();
      close(file);
    }
  }
  return real(fd);
}

int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
