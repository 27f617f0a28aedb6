// Whether what a network predicts is finite, and its boxes by coordinate.
#pragma once
#include "../candidates/focal.h"

namespace LA_SET {
namespace {

// A number is infinite or none if all bits of its exponent are set: adding their lowest one then reaches the sign.
template <class T> LA_INLINE bool finite_run(const void* data, int64_t from, int64_t count, T exponent) {
  const char* at = static_cast<const char*>(data) + from * (int64_t)sizeof(T);
  const T lowest = (T)(exponent & (~exponent + 1));
  T met = 0;
  for (int64_t i = 0; i < count; i++) {
    T word;
    std::memcpy(&word, at + i * (int64_t)sizeof(T), sizeof(T));
    met = (T)(met | (T)((word & exponent) + lowest));
  }
  return !(met >> (8 * sizeof(T) - 1));
}
// Whether elements from .. from + count are all finite.
LA_INLINE bool finite_elements(const void* data, int64_t type, int64_t from, int64_t count) {
  if (type == kFloat32) return finite_run<uint32_t>(data, from, count, 0x7f800000);
  return finite_run<uint16_t>(data, from, count, (uint16_t)(type == kFloat16 ? 0x7c00 : 0x7f80));
}
// Whether a network, if there is one, predicts finite numbers for a prior, counted through all images.
LA_INLINE bool sound(const Network& n, int64_t at) {
  return n.scores && finite_elements(n.scores, n.scores_type, at * n.columns, n.columns) && finite(predicted(n, at));
}

// Boxes from .. from + count as float32.
LA_INLINE void read_boxes(const Network& n, int64_t from, int64_t count, float* out) {
  if (n.boxes_type == kFloat32) std::memcpy(out, static_cast<const float*>(n.boxes) + from * 4, (size_t)count * 16);
  for (int64_t i = 0; n.boxes_type != kFloat32 && i < 4 * count; i++)
    out[i] = element(n.boxes, n.boxes_type, from * 4 + i);
}

}  // namespace
}  // namespace LA_SET
