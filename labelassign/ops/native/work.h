// Tasks over the pool, and memory that lives as long as a call.
#pragma once
#include <cstdlib>
#include <cstring>

#include "arguments.h"
#include "pool.h"
#include "simd.h"

namespace LA_SET {
namespace {

using namespace labelassign;

template <class Body> struct Spread {
  static void task(void* body, int64_t i, int worker) { (*static_cast<Body*>(body))(i, worker); }
};
// body(task, worker) for every task; worker is below `threads`
template <class Body> LA_INLINE void spread(int threads, int64_t tasks, Body body) {
  labelassign::run(threads, tasks, &Spread<Body>::task, &body);
}

// Some arrays at once: all or none. No exception can leave the library, so running out of memory is a code.
class Memory {
 public:
  ~Memory() {
    for (int i = 0; i < used_; i++) std::free(held_[i]);
  }
  template <class T> T* take(int64_t count) {
    void* p = nullptr;
    if (used_ == kMost || posix_aligned(&p, (size_t)(count < 1 ? 1 : count) * sizeof(T) + 64)) failed = true;
    if (p) held_[used_++] = p;
    return static_cast<T*>(p);
  }
  template <class T> T* zeros(int64_t count) {
    T* p = take<T>(count);
    if (p) std::memset(p, 0, (size_t)(count < 1 ? 1 : count) * sizeof(T));
    return p;
  }
  bool failed = false;

 private:
  static constexpr int kMost = 32;
  static int posix_aligned(void** p, size_t bytes) { return (*p = std::malloc(bytes)) == nullptr; }
  void* held_[kMost];
  int used_ = 0;
};

LA_INLINE void raise_to(uint32_t* place, uint32_t value) {  // the bits of floats >= 0 order as the floats do
  uint32_t old = __atomic_load_n(place, __ATOMIC_RELAXED);
  while (old < value && !__atomic_compare_exchange_n(place, &old, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}
LA_INLINE uint32_t float_bits(float a) {
  uint32_t out;
  std::memcpy(&out, &a, 4);
  return out;
}
LA_INLINE float bits_float(uint32_t a) {
  float out;
  std::memcpy(&out, &a, 4);
  return out;
}

LA_INLINE int64_t begin_of(const Objects& o, int64_t image) { return image == 0 ? 0 : o.offsets[image]; }
LA_INLINE int64_t end_of(const Objects& o, int64_t image) {
  return image + 1 == o.images ? o.rows : o.offsets[image + 1];
}
// the offsets are what everything else is found by; rows are clamped to those that are there
LA_INLINE bool sound(const Objects& o) {
  if (o.images < 1 || o.offsets[0] != 0) return false;
  for (int64_t i = 0; i < o.images; i++)
    if (o.offsets[i + 1] < o.offsets[i] || o.offsets[i + 1] > o.rows) return false;
  return true;
}

}  // namespace
}  // namespace LA_SET
