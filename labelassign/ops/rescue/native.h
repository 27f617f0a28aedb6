// What needy objects would take, overlapping blocks of sixty-four priors first and then those near; and who gets what.
#pragma once
#include "../keep/native.h"
#include "../match/native.h"
#include "../uniform/sound.h"

namespace LA_SET {
namespace {

constexpr int kTract = 64;            // priors in one block
constexpr int32_t kWhole = 0x3F800000;  // the bits of 1.0f

// Priors by coordinate, tame, and what is around those of each block that are finite.
struct Land {
  float* corner;   // [copies, 4, stride]
  uint64_t* there;  // [copies, blocks], a bit for each prior that is finite
  float* hull;     // [copies, 8, blocks]: x1, y1, x2, y2 around the boxes, then around the centres
  double* cell;    // [stride], the square of the stride; 1 without strides
  double* wide;    // [blocks], the largest of them
};

struct Rescuer {
  const RescueArguments& a;
  int64_t n, blocks, stride;
  Land land;
  Best best;
  uint64_t* free;   // [images, blocks], a bit for each prior that may be taken
  int32_t* needy;   // rows, [count]
  int32_t* image;   // [count]
  int32_t* prior;   // [count, listed]
  float* overlap;   // [count, listed]
  int32_t* held;    // [count]
  int64_t count;
  uint64_t* key;    // [threads, listed]
  float* far;       // [threads, blocks]
};

// The first so far, by overlap, then by distance, then by place.
struct Wishes {
  uint64_t* key;
  int32_t* place;
  int64_t room, held;
  LA_INLINE bool full() const { return held == room; }
  // the least overlap that may still come in
  LA_INLINE float least() const { return bits_float((uint32_t)(kWhole - (int32_t)(key[held - 1] >> 32))); }
  LA_INLINE float worst() const { return full() ? bits_float((uint32_t)key[held - 1]) : kInfinity; }
  LA_INLINE void put(float iou, float away, int32_t at) {
    const int32_t below = kWhole - (int32_t)float_bits(iou);
    const uint64_t k = (uint64_t)(below < 0 ? 0 : below) << 32 | float_bits(away);
    const auto before = [&](int64_t i) { return key[i] > k || (key[i] == k && place[i] > at); };
    if (full() && !before(held - 1)) return;
    int64_t i = full() ? held - 1 : held++;
    for (; i > 0 && before(i - 1); i--) key[i] = key[i - 1], place[i] = place[i - 1];
    key[i] = k, place[i] = at;
  }
};

LA_INLINE void survey(const Rescuer& r, int64_t copy, int64_t block) {
  const Priors& p = r.a.priors;
  const int64_t begin = block * kTract;
  const Box none = {kInfinity, kInfinity, -kInfinity, -kInfinity};
  float* corner = r.land.corner + copy * 4 * r.stride + begin;
  Box around_all = none, middle = none;
  uint64_t there = 0;
  for (int64_t i = 0; i < kTract; i++) {
    const bool some = begin + i < p.count;
    const Box raw = some ? box_at(p.boxes + (copy * p.step + begin + i) * 4) : Box{0, 0, 0, 0}, b = tame(raw);
    corner[i] = b.x1, corner[r.stride + i] = b.y1, corner[2 * r.stride + i] = b.x2, corner[3 * r.stride + i] = b.y2;
    if (!some || !finite(raw)) continue;
    const float x = (b.x1 + b.x2) / 2, y = (b.y1 + b.y2) / 2;
    there |= (uint64_t)1 << i;
    around_all = around(around_all, b), middle = around(middle, {x, y, x, y});
  }
  r.land.there[copy * r.blocks + block] = there;
  float* hull = r.land.hull + copy * 8 * r.blocks + block;
  const float sides[8] = {around_all.x1, around_all.y1, around_all.x2, around_all.y2,
                          middle.x1, middle.y1, middle.x2, middle.y2};
  for (int k = 0; k < 8; k++) hull[k * r.blocks] = sides[k];
  if (copy) return;
  double wide = 0;
  for (int64_t i = begin; i < begin + kTract; i++) {
    const double stride = i < p.count && r.a.strides ? r.a.strides[i] : 1.0, cell = stride * stride;
    r.land.cell[i] = cell;
    wide = cell > wide ? cell : wide;
  }
  r.land.wide[block] = wide;
}

// Priors of an image that may be taken: not the best `least` of anybody.
LA_INLINE int32_t quality_key(float q) {
  q = q != q ? 0.0f : q < 0.0f ? 0.0f : q > 1.0f ? 1.0f : q;
  const int32_t below = kWhole - (int32_t)(float_bits(q) & 0x7fffffff);
  return below < 0 ? 0 : below;
}
LA_INLINE void free_block(const Rescuer& r, int64_t image, int64_t block) {
  const int64_t begin = block * kTract, at = image * r.n + begin;
  uint64_t free = r.land.there[(r.a.priors.step ? image : 0) * r.blocks + block];
  for (uint64_t rest = free; rest; rest &= rest - 1) {
    const int64_t i = at + __builtin_ctzll(rest), row = r.a.index[i];
    const bool taken = row >= 0 && r.best.holds(row, quality_key(r.a.quality[i]), i);
    if (taken || (r.a.priors.valid && !r.a.priors.valid[i])) free &= ~(rest & (~rest + 1));
  }
  r.free[image * r.blocks + block] = free;
}

// Priors of one block as an object meets them.
struct Meeting {
  const Rescuer& r;
  const float* corner;
  const float* hull;
  const uint64_t* free;
  Box box;
  float x, y;

  LA_INLINE F overlaps(int64_t at) const {
    const F x1 = load<F>(corner + at), y1 = load<F>(corner + r.stride + at), x2 = load<F>(corner + 2 * r.stride + at);
    const F y2 = load<F>(corner + 3 * r.stride + at);
    return iou(Lanes{x1, y1, x2, y2, (x2 - x1) * (y2 - y1)}, all(box.x1), all(box.y1), all(box.x2), all(box.y2),
               all(area(box)));
  }
  LA_INLINE double away(int64_t at) const {
    const double dx = (double)((corner[at] + corner[2 * r.stride + at]) / 2) - (double)x;
    const double dy = (double)((corner[r.stride + at] + corner[3 * r.stride + at]) / 2) - (double)y;
    return (dx * dx + dy * dy) / r.land.cell[at];
  }
  LA_INLINE bool meets(int64_t block) const {
    return touches({hull[block], hull[r.blocks + block], hull[2 * r.blocks + block], hull[3 * r.blocks + block]}, box);
  }
};
LA_INLINE bool somewhere(double away) { return __builtin_fabs(away) < __builtin_inf(); }

// Those of a block that overlap the object.
LA_INLINE void wish_overlapping(const Meeting& m, int64_t block, Wishes& out) {
  for (int i = 0; i < kTract; i += kFloats) {
    const uint32_t able = (uint32_t)(m.free[block] >> i) & 0xffff;
    if (!able) continue;
    const F value = m.overlaps(block * kTract + i), enough = all(out.full() ? out.least() : 0.0f);
    float iou[kFloats];
    store(iou, value);
    for (uint32_t some = able & lanes((value > all(0.0f)) & at_most(enough, value)); some; some &= some - 1) {
      const int k = __builtin_ctz(some);
      const int64_t at = block * kTract + i + k;
      const double away = m.away(at);
      if (somewhere(away)) out.put(iou[k], (float)away, (int32_t)at);
    }
  }
}
// Those of a block that do not.
LA_INLINE void wish_apart(const Meeting& m, int64_t block, Wishes& out) {
  uint64_t able = m.free[block];
  for (int i = 0; m.meets(block) && i < kTract; i += kFloats)
    able &= ~((uint64_t)lanes(m.overlaps(block * kTract + i) > all(0.0f)) << i);
  if (!able) return;
  double away[kTract];
  for (int i = 0; i < kTract; i++) away[i] = m.away(block * kTract + i);
  for (; able; able &= able - 1) {
    const int i = __builtin_ctzll(able);
    if (somewhere(away[i]) && (float)away[i] <= out.worst()) out.put(0.0f, (float)away[i], (int32_t)(block * kTract + i));
  }
}

// The nearest of what does not overlap. Rounding is monotone: none inside a hull is nearer than its nearest side.
LA_INLINE void wish_near(const Meeting& m, float* far, Wishes& out) {
  const Rescuer& r = m.r;
  const float* hull = m.hull + 4 * r.blocks;
  const double x = m.x, y = m.y;
  for (int64_t b = 0; b < r.blocks; b++) {
    const double left = (double)hull[b] - x, right = x - (double)hull[2 * r.blocks + b];
    const double above = (double)hull[r.blocks + b] - y, below = y - (double)hull[3 * r.blocks + b];
    double dx = left > right ? left : right, dy = above > below ? above : below;
    dx = dx > 0 ? dx : 0, dy = dy > 0 ? dy : 0;
    far[b] = (float)((dx * dx + dy * dy) / r.land.wide[b]);
  }
  int64_t first = -1;
  for (int64_t b = 0; b < r.blocks; b++)
    if (m.free[b] && (first < 0 || far[b] < far[first])) first = b;
  if (first < 0) return;
  wish_apart(m, first, out);
  // then those close by, which leave little to be found in the rest
  for (int pass = 0; pass < 2; pass++) {
    const float close = pass == 0 && out.worst() < kInfinity ? out.worst() * 0.25f : kInfinity;
    for (int64_t k = 0; k < r.blocks; k += kFloats) {
      const F d = load<F>(far + k);
      for (uint32_t near = lanes(at_most(d, all(least(close, out.worst())))); near; near &= near - 1) {
        const int64_t b = k + __builtin_ctz(near);
        if (b == first || !m.free[b] || far[b] > out.worst()) continue;
        wish_apart(m, b, out);
        far[b] = __builtin_nanf("");
      }
    }
    if (!(close < kInfinity)) return;
  }
}

LA_INLINE void wish(const Rescuer& r, int64_t k, int worker) {
  const int64_t image = r.image[k], copy = r.a.priors.step ? image : 0, listed = r.a.listed;
  const Box box = tame(box_at(r.a.objects.boxes + r.needy[k] * (int64_t)4));
  const Meeting m = {r, r.land.corner + copy * 4 * r.stride, r.land.hull + copy * 8 * r.blocks,
                     r.free + image * r.blocks, box, (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2};
  Wishes out = {r.key + worker * listed, r.prior + k * listed, listed, 0};
  for (int64_t from = 0; from < r.blocks; from += kFloats) {
    const F x1 = load<F>(m.hull + from), y1 = load<F>(m.hull + r.blocks + from);
    const F x2 = load<F>(m.hull + 2 * r.blocks + from), y2 = load<F>(m.hull + 3 * r.blocks + from);
    const I near = (x2 > all(box.x1)) & (all(box.x2) > x1) & (y2 > all(box.y1)) & (all(box.y2) > y1);
    for (uint32_t some = lanes(near); some; some &= some - 1) {
      const int64_t b = from + __builtin_ctz(some);
      if (m.free[b]) wish_overlapping(m, b, out);
    }
  }
  if (!out.full()) wish_near(m, r.far + worker * r.blocks, out);
  for (int64_t i = 0; i < out.held; i++) {
    const int64_t at = out.place[i];
    r.overlap[k * listed + i] = iou({m.corner[at], m.corner[r.stride + at], m.corner[2 * r.stride + at],
                                     m.corner[3 * r.stride + at]}, box);
  }
  r.held[k] = (int32_t)out.held;
}

// Who gets what: each row asks for its first choices that no lower row holds, and a prior goes to the lowest row that
// has asked, round by round. A row asks again only if it has just been refused: until then its choices stay the same.
struct Queue {
  const Rescuer& r;
  int32_t* holder;  // [images, priors], rows; as many as there are where nobody is
  int32_t* next;    // the same after this round
  int32_t* number;  // [rows], of needy ones
  uint8_t* fine;    // [images, priors]: 0 not looked at yet, 1 its prediction is finite, 2 it is not
  int32_t *asking, *again;  // [count], needy rows
  uint8_t* refused;         // [count], is in `again`
  int32_t* changed;         // [images, priors], places

  LA_INLINE bool may(int64_t place) const {
    const RescueArguments& a = r.a;
    if (!a.network.scores && !a.other.scores) return true;
    if (!fine[place]) fine[place] = sound(a.network, place) || sound(a.other, place) ? 1 : 2;
    return fine[place] == 1;
  }
  LA_INLINE int64_t place_of(int64_t k, int64_t i) const {
    return r.image[k] * r.n + r.prior[k * r.a.listed + i];
  }
};

LA_INLINE void serve(Queue& q) {
  const Rescuer& r = q.r;
  const int32_t nobody = (int32_t)r.a.objects.rows;
  int64_t asking = r.count;
  for (int64_t k = 0; k < r.count; k++) q.asking[k] = (int32_t)k;
  for (int64_t round = 0; round < r.a.rounds && asking; round++) {
    int64_t again = 0, changed = 0;
    const auto refuse = [&](int32_t row) {
      const int32_t k = q.number[row];
      if (!q.refused[k]) q.refused[k] = 1, q.again[again++] = k;
    };
    for (int64_t j = 0; j < asking; j++) {
      const int64_t k = q.asking[j];
      const int32_t row = r.needy[k];
      int64_t lacks = r.a.least - r.best.owned[row];
      for (int64_t i = 0; i < r.held[k] && lacks; i++) {
        const int64_t place = q.place_of(k, i);
        if (q.holder[place] < row || !q.may(place)) continue;
        lacks--;
        if (q.next[place] < row) refuse(row);
        if (q.next[place] <= row) continue;
        if (q.next[place] < nobody) refuse(q.next[place]);
        if (q.next[place] == q.holder[place]) q.changed[changed++] = (int32_t)place;
        q.next[place] = row;
      }
    }
    for (int64_t j = 0; j < changed; j++) q.holder[q.changed[j]] = q.next[q.changed[j]];
    for (int64_t j = 0; j < again; j++) q.asking[j] = q.again[j], q.refused[q.again[j]] = 0;
    asking = again;
  }
}

LA_INLINE void hand_out(const Queue& q) {
  const Rescuer& r = q.r;
  const RescueArguments& a = r.a;
  for (int64_t k = 0; k < r.count; k++) {
    const int64_t row = r.needy[k];
    for (int64_t i = 0; i < r.held[k]; i++) {
      const int64_t place = q.place_of(k, i);
      if (q.holder[place] != row) continue;
      a.index[place] = row, a.quality[place] = r.overlap[k * a.listed + i];
      a.target[place] = a.cls_weight[place] = a.loc_weight[place] = 1.0f;
      a.given[row]++;
    }
    if (a.given[row] && !r.best.owned[row]) a.reason[row] = (int8_t)kRescued;
  }
}

LA_INLINE void find_needy(Rescuer& r, int32_t* number) {
  const Objects& o = r.a.objects;
  r.count = 0;
  for (int64_t i = 0; i < o.images; i++)
    for (int64_t g = begin_of(o, i); g < end_of(o, i); g++) {
      if (g >= o.offsets[o.images] || o.ignore[g] || !formed(o, g) || r.best.owned[g] >= r.a.least) continue;
      r.needy[r.count] = (int32_t)g, r.image[r.count] = (int32_t)i, number[g] = (int32_t)r.count++;
    }
}

int32_t rescue(const RescueArguments& a, int threads, Memory& memory) {
  const Objects& o = a.objects;
  const int64_t n = a.priors.count, total = o.images * n, copies = a.priors.step ? o.images : 1;
  if (!sound(o)) return kBadIndex;
  const int64_t blocks = ((n + kTract - 1) / kTract + kFloats - 1) / kFloats * kFloats, stride = blocks * kTract;
  Rescuer r = {a, n, blocks, stride, {}, {}, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, 0, nullptr, nullptr};
  Queue q = {r, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
  const auto key_of = [&](int64_t i) { return quality_key(a.quality[i]); };
  const int32_t code = find_best(r.best, a.index, total, o.rows, a.least, memory, key_of);
  if (code != kDone) return code;
  r.needy = memory.take<int32_t>(o.rows), r.image = memory.take<int32_t>(o.rows);
  q.number = memory.take<int32_t>(o.rows);
  if (memory.failed) return kNoMemory;
  find_needy(r, q.number);
  for (int64_t g = 0; g < o.rows; g++) a.given[g] = 0;
  if (!r.count) return kDone;
  r.land = {memory.take<float>(copies * 4 * stride), memory.take<uint64_t>(copies * blocks),
            memory.take<float>(copies * 8 * blocks), memory.take<double>(stride), memory.take<double>(blocks)};
  r.free = memory.take<uint64_t>(o.images * blocks);
  r.prior = memory.take<int32_t>(r.count * a.listed), r.overlap = memory.take<float>(r.count * a.listed);
  r.held = memory.take<int32_t>(r.count), r.key = memory.take<uint64_t>(a.listed * threads);
  r.far = memory.take<float>(blocks * threads);
  q.holder = memory.take<int32_t>(total), q.next = memory.take<int32_t>(total);
  q.changed = memory.take<int32_t>(total), q.fine = memory.zeros<uint8_t>(total);
  q.asking = memory.take<int32_t>(r.count), q.again = memory.take<int32_t>(r.count);
  q.refused = memory.zeros<uint8_t>(r.count);
  if (memory.failed) return kNoMemory;
  for (int64_t copy = 0; copy < copies; copy++)
    for (int64_t block = 0; block < blocks; block++) survey(r, copy, block);
  for (int64_t image = 0; image < o.images; image++)
    for (int64_t block = 0; block < blocks; block++) free_block(r, image, block);
  spread(workers(threads, 4000.0 * (double)r.count), r.count, [&](int64_t k, int worker) { wish(r, k, worker); });
  for (int64_t i = 0; i < total; i++) q.holder[i] = q.next[i] = (int32_t)o.rows;
  serve(q);
  hand_out(q);
  return kDone;
}

}  // namespace
}  // namespace LA_SET
