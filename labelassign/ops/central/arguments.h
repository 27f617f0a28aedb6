// What Python hands over to the ops here, in the order in which native.py packs it.
#pragma once
#include "../native/arguments.h"

namespace labelassign {

enum RegionKind : int64_t { kBox, kCentre, kBoth };
enum Pool : int64_t { kOwn, kAny, kEvery };
enum CostKind : int64_t { kAligned, kSimOta, kSoft };
enum OverlapKind : int64_t { kIou, kGiou, kCiou };
enum Decide : int64_t { kListed, kInside, kDynamic };

struct Region {
  int64_t kind;
  double radius, margin, floor;
  int64_t pool;
  double penalty;
};
// a network, and its objectness [images, priors] or null
struct Voice {
  Network network;
  int64_t objectness_type;
  const void* objectness;
};
// weights: aligned: alpha, beta; SimOTA: class, overlap, eps; soft: overlap, radius, eps
struct Rule {
  int64_t kind;
  double weight[3];
  int64_t overlap, scores_are;
};
struct CentralScene {
  Priors priors;
  const float* strides;
  Objects objects;
  Region region;
  Voice voice;
  Rule rule;
};
struct CentralArguments {
  CentralScene scene;
  int64_t topk, overlaps, spread;
  int64_t* prior;
  float* cost;
  float* iou;
  float* best_iou;
  int64_t* count;
  double* mean;
  double* variance;
  int64_t* reason;
  int64_t* refused;
};
struct CentralPairArguments {
  int64_t pairs;
  const int64_t* row;
  const int64_t* prior;
  CentralScene scene;
  float* cost;
  float* iou;
};
struct ContestArguments {
  CentralScene scene;
  Voice other;
  const uint8_t* chosen;
  int64_t width;
  const int64_t* prior;
  const float* cost;
  const float* iou;
  const uint8_t* kept;
  const int64_t* given;
  int64_t by_iou, all;
  int64_t* index;
  float* paid;
  int8_t* reason;
};
// the whole of a method: `against` is the pool in which contested priors are fought for, or -1: among claimants
struct CentralAnswerArguments {
  CentralScene scene;
  int64_t topk, decide, by_iou, against, share;
  double eps;
  Answer answer;
  int64_t* refused;
};

}  // namespace labelassign
