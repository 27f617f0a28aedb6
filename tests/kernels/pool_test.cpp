// Hammers labelassign::run; built and started by test_pool.py and test_sanitizers.py, also under the sanitizers.
// Prints "ok" and returns 0, or says what broke and ends.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "pool.h"

namespace {

constexpr int kMost = 64;  // more threads than this a run never uses
#if defined(__SANITIZE_THREAD__)
constexpr bool kAddressSpace = false;  // the sanitizers reserve more address space than any limit leaves
constexpr int kChild = 1;              // and the thread sanitizer stops a child of several threads that starts its own
#elif defined(__SANITIZE_ADDRESS__)
constexpr bool kAddressSpace = false;
constexpr int kChild = 3;
#else
constexpr bool kAddressSpace = true;
constexpr int kChild = 3;
#endif

#define CHECK(truth)                                                              \
  if (!(truth)) {                                                                 \
    std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #truth);    \
    std::fflush(stderr);                                                          \
    std::abort();                                                                 \
  }

struct Job {
  explicit Job(int64_t tasks, int threads) : done(tasks), threads(threads) {}
  std::vector<int> done;  // not atomic: the thread sanitizer sees a task that two workers do, or one that is not over
  int threads, spin = 0;
  std::atomic<bool> inside[kMost]{};
  std::atomic<int> highest{0};
  int scratch[kMost]{};  // not atomic either: what a worker's number is for
};

void work(void* context, int64_t task, int worker) {
  Job& job = *static_cast<Job*>(context);
  CHECK(worker >= 0 && worker < (job.threads > 1 ? job.threads : 1) && worker < kMost);
  CHECK(!job.inside[worker].exchange(true));
  job.scratch[worker]++;
  job.done[task]++;
  for (volatile int k = 0; k < job.spin; k = k + 1) {
  }
  for (int seen = job.highest; seen < worker && !job.highest.compare_exchange_weak(seen, worker);) {
  }
  job.inside[worker] = false;
}

int check_run(int threads, int64_t tasks, int spin = 0) {
  Job job(tasks, threads);
  job.spin = spin;
  labelassign::run(threads, tasks, work, &job);
  int total = 0;
  for (int times : job.done) CHECK(times == 1);
  for (int count : job.scratch) total += count;
  CHECK(total == tasks);
  return job.highest;
}

void sizes() {
  for (int threads : {-1, 0, 1, 2, 3, 7, 64, 1000})
    for (int64_t tasks : {0, 1, 2, 5, 63, 64, 65, 1000}) check_run(threads, tasks);
}

void shares() {  // over many tries another worker than the caller must have taken part
  int highest = 0;
  for (int k = 0; k < 1000 && highest == 0; k++) highest = check_run(2, 64, 10'000);
  CHECK(highest == 1);
}

void pauses() {  // runs that meet workers awake, about to sleep, and asleep
  for (int k = 0; k < 300; k++) {
    check_run(2 + k % 3, 8, 100);
    usleep(k % 10 * 20);
  }
}

void outer(void* context, int64_t task, int) {
  check_run(4, 50 + task);
  (*static_cast<std::atomic<int>*>(context))++;
}

void nested() {
  std::atomic<int> count{0};
  labelassign::run(4, 20, outer, &count);
  CHECK(count == 20);
}

void callers(int rounds) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back([t, rounds] {
      for (int k = 0; k < rounds; k++) check_run(2 + t, 1 + (k * 7 + t) % 40, k % 50);
    });
  for (std::thread& thread : threads) thread.join();
}

int child_of(pid_t child) {
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  return status;
}

template <class F>
void in_child(F body) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(60);  // a child that hangs is ended, and seen
    body();
    _exit(0);
  }
  CHECK(child_of(child) == 0);
}

void forks(int rounds) {  // while another thread is inside a run, whose workers and locks the child does not have
  std::atomic<bool> over{false};
  Job job(30, 3);
  job.spin = 50;
  std::thread busy([&over, &job] {
    for (int k = 0; !over; k++) {
      labelassign::run(3, 30, work, &job);  // without malloc: the address sanitizer's locks do not survive a fork
      if (k % 20 == 0) usleep(100);  // so that forks also meet workers that fall asleep
    }
  });
  for (int k = 0; k < rounds; k++)
    in_child([] {
      for (int n = 0; n < 20; n++) check_run(kChild, 30);
      if (kChild > 1) shares();
      in_child([] { check_run(kChild, 30); });
    });
  over = true;
  busy.join();
}

void first_fork() { in_child([] { check_run(kChild, 100); }); }

void nothing(void*, int64_t, int) {}

void refused() {  // no address space for another thread's stack: the caller does it with the threads that there are
  in_child([] {
    long pages = 0;
    std::FILE* file = std::fopen("/proc/self/statm", "r");
    CHECK(file != nullptr && std::fscanf(file, "%ld", &pages) == 1);
    std::fclose(file);
    rlimit limit;
    limit.rlim_cur = limit.rlim_max = pages * sysconf(_SC_PAGESIZE) + (1 << 20);
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, nullptr, [](void* a) -> void* { return a; }, nullptr) != 0);
    CHECK(check_run(8, 100) == 0);
    CHECK(check_run(8, 100) == 0);
  });
}

}  // namespace

int main() {
  if (kAddressSpace) refused();
  first_fork();
  sizes();
  shares();
  first_fork();
  pauses();
  nested();
  callers(500);
  forks(30);
  labelassign::run(4, 1'000'000, nothing, nullptr);
  std::puts("ok");  // and ends with workers that wait: nothing may hang or crash on the way out
  return 0;
}
