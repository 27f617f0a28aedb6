// What the pool needs of the operating system. Not std::thread: it throws where no thread can be started, and brings in
// the C++ runtime, which this library does without (so that a wheel needs the C library alone).
#pragma once

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#else
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>
#endif

#include <cstdint>

namespace labelassign {

#ifdef _WIN32

class Sleep {
 public:
  void lock() { AcquireSRWLockExclusive(&lock_); }
  void unlock() { ReleaseSRWLockExclusive(&lock_); }
  void wait() { SleepConditionVariableSRW(&changed_, &lock_, INFINITE, 0); }
  void wake() { WakeConditionVariable(&changed_); }

 private:
  SRWLOCK lock_ = SRWLOCK_INIT;
  CONDITION_VARIABLE changed_ = CONDITION_VARIABLE_INIT;
};

inline long process() { return 0; }  // no fork here
inline void yield() { SwitchToThread(); }
inline int64_t nanoseconds() {
  LARGE_INTEGER count, rate;
  QueryPerformanceCounter(&count);
  QueryPerformanceFrequency(&rate);
  return static_cast<int64_t>(static_cast<double>(count.QuadPart) * 1e9 / static_cast<double>(rate.QuadPart));
}

template <void (*body)(void*)>
bool start(void* argument) {
  auto entry = [](void* a) -> unsigned long { return body(a), 0; };
  HANDLE thread = CreateThread(nullptr, 0, static_cast<LPTHREAD_START_ROUTINE>(entry), argument, 0, nullptr);
  if (thread == nullptr) return false;
  CloseHandle(thread);
  return true;
}

#else

class Sleep {
 public:
  void lock() { pthread_mutex_lock(&lock_); }
  void unlock() { pthread_mutex_unlock(&lock_); }
  void wait() { pthread_cond_wait(&changed_, &lock_); }
  void wake() { pthread_cond_signal(&changed_); }

 private:
  pthread_mutex_t lock_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed_ = PTHREAD_COND_INITIALIZER;
};

inline long process() { return getpid(); }
inline void yield() { sched_yield(); }
inline int64_t nanoseconds() {
  timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return int64_t{at.tv_sec} * 1'000'000'000 + at.tv_nsec;
}

template <void (*body)(void*)>
bool start(void* argument) {
  auto entry = [](void* a) -> void* { return body(a), nullptr; };
  pthread_t thread;
  if (pthread_create(&thread, nullptr, entry, argument) != 0) return false;
  pthread_detach(thread);
  return true;
}

#endif

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace labelassign
