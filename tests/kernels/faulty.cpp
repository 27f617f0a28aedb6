// Kernels with one fault each, in place of the real ones: what a sanitizer that really runs has to report.
#include <cstdint>
#include <cstdlib>

#include "pool.h"

namespace LA_SET {

static void race(void* place, int64_t, int) { *static_cast<int*>(place) += 1; }

int32_t call(int32_t op, const void*, int32_t threads) {
  if (op == 0) {  // beyond the end of an array
    volatile int* numbers = static_cast<volatile int*>(std::malloc(4 * sizeof(int)));
    numbers[4] = 1;
    std::free(const_cast<int*>(numbers));
  } else if (op == 1) {  // more than an int holds
    volatile int large = INT32_MAX;
    large = large + threads;
  } else if (op == 2) {  // one place, many writers
    int place = 0;
    for (int k = 0; k < 1000; k++) labelassign::run(threads, 10'000, race, &place);  // of some the caller does all
  }
  return 0;
}

}  // namespace LA_SET
