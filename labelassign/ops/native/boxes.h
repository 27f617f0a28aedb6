// Boxes and overlaps, operation by operation as labelassign/geometry/boxes.py has them.
#pragma once
#include "simd.h"

namespace LA_SET {
namespace {

constexpr float kTiny = 1.17549435e-38f, kFar = 1e9f, kInfinity = __builtin_inff();

LA_INLINE bool finite(float a) { return __builtin_fabsf(a) < kInfinity; }
LA_INLINE float least(float a, float b) { return a < b ? a : b; }
LA_INLINE float most(float a, float b) { return a > b ? a : b; }

struct Box { float x1, y1, x2, y2; };

LA_INLINE Box box_at(const float* p) { return {p[0], p[1], p[2], p[3]}; }
LA_INLINE bool finite(Box b) { return finite(b.x1) & finite(b.y1) & finite(b.x2) & finite(b.y2); }
// corners that are numbers and in order
LA_INLINE bool formed(Box b) { return finite(b) && b.x2 >= b.x1 && b.y2 >= b.y1; }
LA_INLINE float area(Box b) { return (b.x2 - b.x1) * (b.y2 - b.y1); }
// overlaps of what is tame are numbers
LA_INLINE Box tame(Box b) {
  if (!finite(b)) return {0, 0, 0, 0};
  return {least(most(b.x1, -kFar), kFar), least(most(b.y1, -kFar), kFar), least(most(b.x2, -kFar), kFar),
          least(most(b.y2, -kFar), kFar)};
}
LA_INLINE float intersection(Box a, Box b) {
  const float w = least(a.x2, b.x2) - most(a.x1, b.x1), h = least(a.y2, b.y2) - most(a.y1, b.y1);
  return most(w, 0.0f) * most(h, 0.0f);
}
// a NaN stays one
LA_INLINE float ratio(float part, float whole) { return part / (whole < kTiny ? kTiny : whole); }
LA_INLINE float iou(Box a, Box b) {
  const float inner = intersection(a, b);
  return ratio(inner, (area(a) + area(b)) - inner);
}
LA_INLINE float giou(Box a, Box b) {
  const float inner = intersection(a, b);
  float whole = most(a.x2 - a.x1, 0.0f) * most(a.y2 - a.y1, 0.0f);
  whole = (whole + most(b.x2 - b.x1, 0.0f) * most(b.y2 - b.y1, 0.0f)) - inner;
  const float hull = (most(a.x2, b.x2) - least(a.x1, b.x1)) * (most(a.y2, b.y2) - least(a.y1, b.y1));
  const float value = ratio(inner, whole) - ratio(hull - whole, hull);
  return value > 1.0f ? 1.0f : value < -1.0f ? -1.0f : value;
}

// Many boxes against one, and the smallest box around them.
struct Lanes { F x1, y1, x2, y2, area; };

LA_INLINE F iou(const Lanes& a, F x1, F y1, F x2, F y2, F size) {
  const F w = larger(smaller(a.x2, x2) - larger(a.x1, x1), all(0.0f));
  const F h = larger(smaller(a.y2, y2) - larger(a.y1, y1), all(0.0f));
  const F inner = w * h, whole = (size + a.area) - inner;
  return inner / larger(whole, all(kTiny));
}
// Pairs of boxes, lane by lane, as above for single ones, NaN and all.
struct Boxes { F x1, y1, x2, y2; };

LA_INLINE F area(const Boxes& b) { return (b.x2 - b.x1) * (b.y2 - b.y1); }
LA_INLINE F ratio(F part, F whole) { return part / select(all(kTiny) > whole, all(kTiny), whole); }
LA_INLINE F intersection(const Boxes& a, const Boxes& b) {
  const F w = smaller(a.x2, b.x2) - larger(a.x1, b.x1), h = smaller(a.y2, b.y2) - larger(a.y1, b.y1);
  return larger(w, all(0.0f)) * larger(h, all(0.0f));
}
LA_INLINE F iou(const Boxes& a, const Boxes& b) {
  const F inner = intersection(a, b);
  return ratio(inner, (area(a) + area(b)) - inner);
}
LA_INLINE F giou(const Boxes& a, const Boxes& b) {
  const F inner = intersection(a, b), zero = all(0.0f);
  F whole = larger(a.x2 - a.x1, zero) * larger(a.y2 - a.y1, zero);
  whole = (whole + larger(b.x2 - b.x1, zero) * larger(b.y2 - b.y1, zero)) - inner;
  const F hull = (larger(a.x2, b.x2) - smaller(a.x1, b.x1)) * (larger(a.y2, b.y2) - smaller(a.y1, b.y1));
  const F value = ratio(inner, whole) - ratio(hull - whole, hull);
  return select(value > all(1.0f), all(1.0f), select(all(-1.0f) > value, all(-1.0f), value));
}
LA_INLINE bool touches(Box a, Box b) { return a.x2 > b.x1 && b.x2 > a.x1 && a.y2 > b.y1 && b.y2 > a.y1; }
LA_INLINE Box around(Box a, Box b) {
  return {least(a.x1, b.x1), least(a.y1, b.y1), most(a.x2, b.x2), most(a.y2, b.y2)};
}

}  // namespace
}  // namespace LA_SET
