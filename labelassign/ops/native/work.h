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

// As many threads as pay: waking one takes about as long as this much work.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kWorth = 0;  // small scenes, too, shall meet the pool there
#else
constexpr double kWorth = 40000;
#endif
LA_INLINE int workers(int threads, double nanoseconds) { return nanoseconds < kWorth ? 1 : threads; }
// Matching: to read the priors, and to compare them with the objects near them.
LA_INLINE int matching(int threads, const Priors& p, const Objects& o) {
  return workers(threads, (double)p.count * ((double)o.images + 0.03 * (double)o.rows));
}

// The memory of one call: pieces of one block, which the next call finds again. Asked of the system each time, every
// page of it would be cleared and mapped anew, which costs more than many a kernel. No exception can leave the library,
// so running out of memory is a code.
struct Block {
  size_t size;
  Block* next;
};
Block* idle_block = nullptr;             // of this instruction set; whoever comes while it is taken gets one of his own
constexpr size_t kIdle = (size_t)16 << 20;  // what may lie idle

class Memory {
 public:
  bool failed = false;
  Memory() : blocks_(__atomic_exchange_n(&idle_block, nullptr, __ATOMIC_ACQUIRE)) {}
  Memory(const Memory&) = delete;
  ~Memory() {
    if (blocks_ && blocks_->next && asked_ <= kIdle) {  // one block that holds it all, for the next call
      Block* whole = static_cast<Block*>(std::malloc(asked_ + sizeof(Block) + kAlign));
      if (whole) whole->size = asked_ + kAlign, whole->next = blocks_, blocks_ = whole;
    }
    Block* rest = blocks_ ? blocks_->next : nullptr;
    while (rest) {
      Block* after = rest->next;
      std::free(rest);
      rest = after;
    }
    if (!blocks_) return;
    blocks_->next = nullptr;
    Block* none = nullptr;
    const bool keep = blocks_->size <= kIdle + kAlign &&
                      __atomic_compare_exchange_n(&idle_block, &none, blocks_, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
    if (!keep) std::free(blocks_);
  }
  template <class T> T* take(int64_t count) {
    const size_t bytes = ((size_t)(count < 1 ? 1 : count) * sizeof(T) + 2 * kAlign - 1) / kAlign * kAlign;
    asked_ += bytes;
    if (!blocks_ || used_ + bytes > blocks_->size) {
      Block* more = failed ? nullptr : static_cast<Block*>(std::malloc(bytes + sizeof(Block) + kAlign));
      if (!more) return failed = true, nullptr;
      more->size = bytes + kAlign, more->next = blocks_, blocks_ = more, used_ = 0;
    }
    uintptr_t at = (uintptr_t)(blocks_ + 1) + used_;
    used_ += bytes;
    return reinterpret_cast<T*>((at + kAlign - 1) / kAlign * kAlign);
  }
  template <class T> T* zeros(int64_t count) {
    T* p = take<T>(count);
    if (p) std::memset(p, 0, (size_t)(count < 1 ? 1 : count) * sizeof(T));
    return p;
  }

 private:
  static constexpr size_t kAlign = 64;
  Block* blocks_;
  size_t used_ = 0, asked_ = 0;
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
