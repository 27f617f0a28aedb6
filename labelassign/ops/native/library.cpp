// The C interface of the library, and the choice of the instruction set.
#include <atomic>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(_WIN32)
#define LA_EXPORT extern "C" __declspec(dllexport)
#else
#define LA_EXPORT extern "C" __attribute__((visibility("default")))
#endif

#define LA_DECLARE(set) \
  namespace set { int32_t call(int32_t op, const void* arguments, int32_t threads); }
LA_DECLARE(baseline)
#if defined(LA_AVX2)
LA_DECLARE(avx2)
#endif
#if defined(LA_AVX512)
LA_DECLARE(avx512)
#endif

namespace {

bool always() { return true; }

#if defined(__x86_64__)
constexpr uint64_t bits() { return 0; }
template <class... Rest>
constexpr uint64_t bits(int bit, Rest... rest) { return uint64_t{1} << bit | bits(rest...); }
constexpr bool has(uint64_t word, uint64_t wanted) { return (word & wanted) == wanted; }

// Asked of the processor itself: the compilers' __builtin_cpu_supports knows different names in different versions, and
// needs a runtime library that is not linked on Windows. Bits as in Intel's manual, volume 2A, CPUID.
struct Machine {
  uint32_t basic = 0, extended = 0, leaf7 = 0, saved = 0;

  Machine() {
    uint32_t a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d)) basic = c;
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) extended = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) leaf7 = b;
    // which registers the operating system saves; readable only where it says that it does (OSXSAVE)
    if (has(basic, bits(27))) __asm__ volatile("xgetbv" : "=a"(saved), "=d"(d) : "c"(0));
  }
  bool v3() const {  // what the compiler may use with -march=x86-64-v3
    return has(basic, bits(0, 9, 12, 13, 19, 20, 22, 23, 27, 28, 29))  // SSE3 SSSE3 FMA CX16 SSE4 MOVBE POPCNT AVX F16C
           && has(extended, bits(0, 5))                                // LAHF LZCNT
           && has(leaf7, bits(3, 5, 8))                                // BMI1 AVX2 BMI2
           && has(saved, bits(1, 2));                                  // xmm, ymm
  }
  bool v4() const {  // and with -march=x86-64-v4
    return v3() && has(leaf7, bits(16, 17, 28, 30, 31))  // AVX-512 F DQ CD BW VL
           && has(saved, bits(5, 6, 7));                 // masks, zmm
  }
};
#if defined(LA_AVX2)
bool runs_avx2() { return Machine().v3(); }
#endif
#if defined(LA_AVX512)
bool runs_avx512() { return Machine().v4(); }
#endif
#endif

struct Set {
  const char* name;
  int32_t (*call)(int32_t, const void*, int32_t);
  bool (*runs)();
};

constexpr Set kSets[] = {
    {"baseline", baseline::call, always},
#if defined(LA_AVX2)
    {"avx2", avx2::call, runs_avx2},
#endif
#if defined(LA_AVX512)
    {"avx512", avx512::call, runs_avx512},
#endif
};

const Set& best() {
  const Set* found = kSets;
  for (const Set& set : kSets)
    if (set.runs()) found = &set;
  return *found;
}

// A pointer, not an object with a constructor: nothing of this library runs when it is loaded.
std::atomic<const Set*> chosen{nullptr};

const Set& current() {
  const Set* set = chosen.load(std::memory_order_acquire);
  if (set == nullptr) chosen.store(set = &best(), std::memory_order_release);
  return *set;
}

}  // namespace

LA_EXPORT int32_t la_abi() { return LA_ABI; }
LA_EXPORT const char* la_version() { return LA_VERSION; }
LA_EXPORT const char* la_set() { return current().name; }

// The sets of this library that this machine runs, slowest first, separated by commas.
LA_EXPORT const char* la_sets() {
  static const char* const kLists[] = {"baseline", "baseline,avx2", "baseline,avx2,avx512"};
  int count = 0;
  for (const Set& set : kSets) count += set.runs();
  return kLists[count - 1];
}

// 0 if the set of that name is used from now on.
LA_EXPORT int32_t la_choose(const char* name) {
  for (const Set& set : kSets)
    if (std::strcmp(set.name, name) == 0 && set.runs()) return chosen.store(&set, std::memory_order_release), 0;
  return 1;
}

// 0 if done; anything else: refused, and nothing was written that counts.
LA_EXPORT int32_t la_call(int32_t op, const void* arguments, int32_t threads) {
  return current().call(op, arguments, threads);
}
