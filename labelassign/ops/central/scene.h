// Where priors and objects are, and which priors an object may choose, sixteen priors (a run) at a time.
#pragma once
#include "../match/native.h"
#include "arguments.h"

namespace LA_SET {
namespace {

constexpr int kRunLanes = kFloats;
constexpr float kWild = 1e15f;    // beyond it areas may overflow
constexpr int64_t kPortion = 64;  // runs of one task

// Of an object: its box, its centre, and the box in which centres of its priors lie.
struct Asker {
  Box box, region;
  float x, y;
  bool wild;  // so large that no bound holds
};

struct Field {
  CentralScene s;
  int64_t n, runs, stride;  // of priors; runs of whole registers of them, and lanes
  int64_t packs, folds;     // of sixteen runs; as many as there are hulls of them, with one register to spare
  float *x, *y;             // [copies, stride], infinite where there is no prior
  float* hull;              // [copies, 4, runs], around the centres of a run
  float* wide;              // [copies, 4, folds], of a pack
  float* reach;             // [stride]: radius * stride
  float* far;               // [runs], the largest of them
  float* farthest;          // [folds], of a pack
  float* inverse;           // [stride]: 1 / stride, or very negative where that says nothing
  float* slow;              // [runs]: the least of them
  uint16_t* pool;           // [images, runs], a bit for each prior that some object may choose
  uint8_t* able;            // [rows]
  int32_t* image;           // [rows]
  Asker* asker;             // [rows]
  double* turned;           // [rows], see turn_of

  LA_INLINE int64_t copy_of(int64_t image) const { return s.priors.step ? image : 0; }
  LA_INLINE const float* hull_of(int64_t image) const { return hull + copy_of(image) * 4 * runs; }
  LA_INLINE const float* wide_of(int64_t image) const { return wide + copy_of(image) * 4 * folds; }
};

LA_INLINE Asker asker_of(const Region& r, Box b) {
  Asker a = {b, b, (b.x1 + b.x2) / 2, (b.y1 + b.y2) / 2, false};
  const float floor = (float)r.floor, wide = b.x2 - b.x1, high = b.y2 - b.y1;
  if (r.floor > 0) {
    const float half_x = most(wide, floor) / 2, half_y = most(high, floor) / 2;
    if (wide < floor) a.region.x1 = a.x - half_x, a.region.x2 = a.x + half_x;
    if (high < floor) a.region.y1 = a.y - half_y, a.region.y2 = a.y + half_y;
  }
  const auto tame = [](float v) { return __builtin_fabsf(v) < kWild; };
  a.wild = !(tame(b.x1) & tame(b.y1) & tame(b.x2) & tame(b.y2));
  return a;
}

// Inside the box, and near the centre: all bits where the region does not ask.
struct Sides { I inside, near; };

LA_INLINE Sides sides(const Region& r, const Asker& a, F x, F y, F reach) {
  const I yes = all((int32_t)-1);
  Sides out = {yes, yes};
  if (r.kind != kCentre) {
    const F m = all((float)r.margin);
    out.inside = (x - all(a.region.x1) > m) & (all(a.region.x2) - x > m) & (y - all(a.region.y1) > m) &
                 (all(a.region.y2) - y > m);
  }
  if (r.kind != kBox)
    out.near = (x > all(a.x) - reach) & (all(a.x) + reach > x) & (y > all(a.y) - reach) & (all(a.y) + reach > y);
  return out;
}
// Whether some centre inside a hull may be such: rounding is monotone, so that the nearest side speaks for all.
LA_INLINE Sides sides(const Region& r, const Asker& a, const float* hull, int64_t runs, const float* far) {
  const F x1 = load<F>(hull), y1 = load<F>(hull + runs), x2 = load<F>(hull + 2 * runs), y2 = load<F>(hull + 3 * runs);
  const I yes = all((int32_t)-1);
  Sides out = {yes, yes};
  if (r.kind != kCentre) {
    const F m = all((float)r.margin);
    out.inside = (x2 - all(a.region.x1) > m) & (all(a.region.x2) - x1 > m) & (y2 - all(a.region.y1) > m) &
                 (all(a.region.y2) - y1 > m);
  }
  if (r.kind != kBox) {
    const F reach = load<F>(far);
    out.near = (x2 > all(a.x) - reach) & (all(a.x) + reach > x1) & (y2 > all(a.y) - reach) & (all(a.y) + reach > y1);
  }
  return out;
}
LA_INLINE I own(const Sides& s) { return s.inside & s.near; }
// what makes a prior one that others may choose, too
LA_INLINE I known(const Region& r, const Sides& s) {
  return r.pool == kAny && r.kind == kBoth ? s.inside | s.near : own(s);
}
LA_INLINE uint32_t own_lanes(const Field& f, const Asker& a, int64_t image, int64_t run) {
  const int64_t at = f.copy_of(image) * f.stride + run * kRunLanes;
  return lanes(own(sides(f.s.region, a, load<F>(f.x + at), load<F>(f.y + at), load<F>(f.reach + run * kRunLanes))));
}
// the same of one prior of any image and one row that may make no sense
LA_INLINE bool owns(const CentralScene& s, const Asker& a, int64_t image, int64_t prior) {
  const Box b = box_at(s.priors.boxes + (image * s.priors.step + prior) * 4);
  const float reach = s.region.kind == kBox ? 0.0f : (float)s.region.radius * s.strides[prior];
  return lanes(own(sides(s.region, a, all((b.x1 + b.x2) / 2), all((b.y1 + b.y2) / 2), all(reach)))) & 1;
}

LA_INLINE void around_run(const float* x, const float* y, float* out, int64_t runs) {
  const F none = all(kInfinity), under = all(-kInfinity), px = load<F>(x), py = load<F>(y);
  // of what is finite; comparisons with what is no number are false
  const I sound = (none > px) & (px > under) & (none > py) & (py > under);
  out[0] = smallest(select(sound, px, none)), out[runs] = smallest(select(sound, py, none));
  out[2 * runs] = largest(select(sound, px, under)), out[3 * runs] = largest(select(sound, py, under));
}

// Of hulls of runs, those of packs; of none nothing is near.
LA_INLINE void around_packs(const Field& f, const float* hull, float* wide, int64_t from, int64_t to) {
  for (int64_t r = from; r < to; r += kFloats) {
    float* out = wide + r / kFloats;
    out[0] = smallest(load<F>(hull + r)), out[f.folds] = smallest(load<F>(hull + f.runs + r));
    out[2 * f.folds] = largest(load<F>(hull + 2 * f.runs + r)), out[3 * f.folds] = largest(load<F>(hull + 3 * f.runs + r));
  }
}
LA_INLINE void around_nothing(const Field& f, float* wide) {
  for (int64_t k = f.packs; k < f.folds; k++)
    wide[k] = wide[f.folds + k] = kInfinity, wide[2 * f.folds + k] = wide[3 * f.folds + k] = -kInfinity;
}

// Centres of the priors of the runs from..to.
LA_INLINE void read_centres(const Field& f, int64_t copy, int64_t from, int64_t to) {
  const Priors& p = f.s.priors;
  const float* boxes = p.boxes + copy * p.step * 4;
  float *x = f.x + copy * f.stride, *y = f.y + copy * f.stride;
  const int64_t begin = from * kRunLanes, end = to * kRunLanes, there = end < f.n ? end : f.n;
  for (int64_t i = begin; i < there; i++)
    x[i] = (boxes[4 * i] + boxes[4 * i + 2]) / 2, y[i] = (boxes[4 * i + 1] + boxes[4 * i + 3]) / 2;
  for (int64_t i = there > begin ? there : begin; i < end; i++) x[i] = y[i] = kInfinity;
  for (int64_t r = from; r < to; r++)
    around_run(x + r * kRunLanes, y + r * kRunLanes, f.hull + copy * 4 * f.runs + r, f.runs);
  around_packs(f, f.hull + copy * 4 * f.runs, f.wide + copy * 4 * f.folds, from, to);
  if (copy || (f.s.region.kind == kBox && f.s.rule.kind != kSoft)) return;
  const float radius = (float)f.s.region.radius;
  for (int64_t i = begin; i < end; i++) {
    const float step = f.s.strides && i < f.n ? f.s.strides[i] : 0.0f;
    f.reach[i] = radius * step;
    // a stride that is not positive says nothing about how far is far
    f.inverse[i] = step > 1e-30f && step < 1e30f ? 1.0f / step : i < f.n ? -1e30f : 1.0f;
  }
  for (int64_t r = from; r < to; r++) {
    const F reach = load<F>(f.reach + r * kRunLanes);
    f.far[r] = largest(select(reach > all(0.0f), reach, all(0.0f)));
    f.slow[r] = smallest(load<F>(f.inverse + r * kRunLanes));
  }
  for (int64_t r = from; r < to; r += kFloats) f.farthest[r / kFloats] = largest(load<F>(f.far + r));
}

// Which priors of the runs from..to somebody may choose; where each object has its own alone, perhaps some more: of runs
// that several objects meet nobody looks at every prior.
LA_INLINE void read_pool(const Field& f, int64_t image, int64_t from, int64_t to) {
  uint16_t* pool = f.pool + image * f.runs;
  const uint8_t* valid = f.s.priors.valid ? f.s.priors.valid + image * f.n : nullptr;
  const bool every = f.s.region.pool == kEvery;
  uint16_t seen[kPortion];
  uint8_t met[kPortion] = {};
  const int few = f.s.region.pool == kOwn ? 2 : 255;
  for (int64_t r = from; r < to; r++) seen[r - from] = every ? 0xffff : 0;
  for (int64_t g = begin_of(f.s.objects, image); !every && g < end_of(f.s.objects, image); g++) {
    if (!f.able[g]) continue;
    const Asker& a = f.asker[g];
    const int64_t pack = from / kFloats;
    const Sides packs = sides(f.s.region, a, f.wide_of(image) + pack, f.folds, f.farthest + pack);
    const uint32_t here = (1u << (to - from) / kFloats) - 1;
    for (uint32_t wide = lanes(known(f.s.region, packs)) & here; wide; wide &= wide - 1) {
      const int64_t k = from + __builtin_ctz(wide) * kFloats;
      const Sides near = sides(f.s.region, a, f.hull_of(image) + k, f.runs, f.far + k);
      for (uint32_t some = lanes(known(f.s.region, near)); some; some &= some - 1) {
        const int64_t r = k + __builtin_ctz(some), at = f.copy_of(image) * f.stride + r * kRunLanes;
        if (seen[r - from] == 0xffff) continue;
        if (met[r - from] >= few) seen[r - from] = 0xffff;
        else if (few < 255) met[r - from]++;
        const F x = load<F>(f.x + at), y = load<F>(f.y + at), reach = load<F>(f.reach + r * kRunLanes);
        seen[r - from] |= (uint16_t)lanes(known(f.s.region, sides(f.s.region, a, x, y, reach)));
      }
    }
  }
  for (int64_t r = from; r < to; r++) {
    uint32_t there = 0xffff;
    const int64_t left = f.n - r * kRunLanes;
    if (left < kRunLanes) there = left > 0 ? (1u << left) - 1 : 0;
    for (uint32_t some = valid ? there : 0; some; some &= some - 1) {
      const int k = __builtin_ctz(some);
      if (!valid[r * kRunLanes + k]) there &= ~(1u << k);
    }
    pool[r] = (uint16_t)(seen[r - from] & there);
  }
}

LA_INLINE bool make_field(Field& f, const CentralScene& s, Memory& memory) {
  f.s = s;
  f.n = s.priors.count;
  f.runs = ((f.n + kRunLanes - 1) / kRunLanes + kFloats - 1) / kFloats * kFloats, f.stride = f.runs * kRunLanes;
  f.packs = f.runs / kFloats, f.folds = f.packs / kFloats * kFloats + 2 * kFloats;
  const int64_t images = s.objects.images, copies = s.priors.step ? images : 1, rows = s.objects.rows;
  f.wide = memory.take<float>(copies * 4 * f.folds), f.farthest = memory.zeros<float>(f.folds);
  f.x = memory.take<float>(copies * f.stride), f.y = memory.take<float>(copies * f.stride);
  f.hull = memory.take<float>(copies * 4 * f.runs);
  f.reach = memory.take<float>(f.stride), f.far = memory.take<float>(f.runs);
  f.inverse = memory.take<float>(f.stride), f.slow = memory.take<float>(f.runs);
  f.pool = memory.take<uint16_t>(images * f.runs);
  f.able = memory.take<uint8_t>(rows), f.image = memory.take<int32_t>(rows), f.asker = memory.take<Asker>(rows);
  f.turned = memory.take<double>(rows);
  if (memory.failed) return false;
  for (int64_t i = 0; i < copies; i++) around_nothing(f, f.wide + i * 4 * f.folds);
  const Objects& o = s.objects;
  for (int64_t i = 0; i < images; i++)
    for (int64_t g = begin_of(o, i); g < end_of(o, i); g++) {
      f.image[g] = (int32_t)i, f.asker[g] = asker_of(s.region, box_at(o.boxes + g * 4));
      f.able[g] = g < o.offsets[images] && !o.ignore[g] && formed(o, g);
    }
  return true;
}

}  // namespace
}  // namespace LA_SET
