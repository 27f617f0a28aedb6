// The best of what every row owns.
#pragma once
#include "../native/work.h"

namespace LA_SET {
namespace {

// Of every row that owns more than `most` places the last one that is among its best, by key and then by place.
struct Best {
  int64_t most;
  int64_t* owned;  // [rows]
  int64_t* start;  // [rows], where its best begin: [most] of them
  int32_t* key;
  int32_t* place;
  LA_INLINE bool all_of(int64_t row) const { return owned[row] <= most; }
  LA_INLINE bool holds(int64_t row, int32_t k, int64_t at) const {
    if (all_of(row)) return true;
    const int64_t last = start[row] + most - 1;
    return k < key[last] || (k == key[last] && at <= place[last]);
  }
};

// key_of(place): lower is better. Negative indices own nothing; rows are numbers below `rows`.
template <class Key>
LA_INLINE int32_t find_best(Best& b, const int64_t* index, int64_t count, int64_t rows, int64_t most, Memory& memory,
                            Key key_of) {
  b.most = most, b.owned = memory.zeros<int64_t>(rows), b.start = memory.take<int64_t>(rows);
  int64_t* held = memory.zeros<int64_t>(rows);
  if (memory.failed) return kNoMemory;
  for (int64_t i = 0; i < count; i++) {
    if (index[i] >= rows) return kBadIndex;
    if (index[i] >= 0) b.owned[index[i]]++;
  }
  int64_t room = 0;
  for (int64_t g = 0; g < rows; g++)
    if (!b.all_of(g)) b.start[g] = room, room += most;
  b.key = memory.take<int32_t>(room), b.place = memory.take<int32_t>(room);
  if (memory.failed) return kNoMemory;
  for (int64_t i = 0; room && i < count; i++) {
    const int64_t g = index[i];
    if (g < 0 || b.all_of(g)) continue;
    const int32_t k = key_of(i);
    int32_t *key = b.key + b.start[g], *place = b.place + b.start[g];
    if (held[g] == most && k >= key[most - 1]) continue;  // places rise: of equal keys the lower one is there
    int64_t at = held[g] < most ? held[g]++ : most - 1;
    for (; at > 0 && key[at - 1] > k; at--) key[at] = key[at - 1], place[at] = place[at - 1];
    key[at] = k, place[at] = (int32_t)i;
  }
  return kDone;
}

int32_t keep_best(const KeepBestArguments& a, Memory& memory) {
  Best best;
  const auto key_of = [&](int64_t i) { return (int32_t)float_bits(a.paid[i]); };
  const int32_t code = find_best(best, a.index, a.count, a.rows, a.most, memory, key_of);
  if (code != kDone) return code;
  for (int64_t i = 0; i < a.count; i++)
    if (a.index[i] >= 0 && !best.holds(a.index[i], key_of(i), i)) a.index[i] = -1, a.paid[i] = __builtin_inff();
  return kDone;
}

}  // namespace
}  // namespace LA_SET
