// The few best so far: by key, then by place.
#pragma once
#include "boxes.h"

namespace LA_SET {
namespace {

struct Shortlist {
  float* key;       // rising
  int32_t* place;
  int64_t room, held;
  LA_INLINE float worst() const { return held < room ? kInfinity : key[held - 1]; }
  LA_INLINE bool takes(float k) const { return held < room || k <= key[held - 1]; }
  // in any order of keys and places
  LA_INLINE void put(float k, int32_t at) {
    int64_t i = held;
    if (held == room) {
      if (k > key[i - 1] || (k == key[i - 1] && at > place[i - 1])) return;
      i--;
    } else {
      held++;
    }
    for (; i > 0 && (key[i - 1] > k || (key[i - 1] == k && place[i - 1] > at)); i--)
      key[i] = key[i - 1], place[i] = place[i - 1];
    key[i] = k, place[i] = at;
  }
};

}  // namespace
}  // namespace LA_SET
