// What Python hands over: 8 bytes per field, in the order in which labelassign/ops/*/native.py packs them.
#pragma once
#include <cstdint>

namespace labelassign {

enum Op : int32_t { kMatch, kMaxIou, kAtss, kCandidates, kPairCost, kMixture, kClassify, kSettle, kResolve, kComplete, kPaa,
                  kRivals, kAward, kCentral, kCentralPairs, kContest, kCentralAnswer, kFcos,
                  kUniform, kKeepBest, kRescue };
enum Code : int32_t { kDone = 0, kNoMemory = 1, kBadIndex = 2, kUnknownOp = 3 };
enum Rescue : int64_t { kOff, kHighest, kLast };
enum Reason : int64_t { kFine, kNoCandidate, kRejected, kLost, kIgnored, kInvalid, kRescued, kPadding };
enum Scores : int64_t { kSigmoid, kSoftmax, kProbs };
enum Type : int64_t { kFloat32, kFloat16, kBfloat16 };
// who wins a point: the smallest area; of those below 1e8; the largest 1e8 - area
enum Area : int64_t { kArea, kAreaBelow, kAreaRest };

// boxes [count, 4], shared by all images (step 0) or [images, count, 4] (step count); valid [images, count] or null
struct Priors {
  int64_t count, step;
  const float* boxes;
  const uint8_t* valid;
};
// rows of all images, image i owns offsets[i] .. offsets[i + 1]; what follows the last offset is padding and counts as
// rows of the last image that may own nothing
struct Objects {
  int64_t rows, images;
  const float* boxes;
  const int64_t* labels;
  const int64_t* offsets;
  const uint8_t* ignore;
  int64_t classes;
};
struct Claims {
  int64_t rescue;
  double min_iou;
  int64_t zero_rescues, all_ties;
};
// focal loss + weight * (1 - IoU)
struct Cost {
  int64_t scores_are;
  double alpha, gamma;
  int64_t generalized;
  double weight;
};
// scores [images, priors, columns], boxes [images, priors, 4]
struct Network {
  int64_t columns, scores_type, boxes_type;
  const void* scores;
  const void* boxes;
};
struct Fit {
  double tol;
  int64_t max_steps;
  double reg;
  int64_t normalize, data_variance;
};
struct Separation {
  int64_t scheme, drop_single, empty_none, interleaved;
};
// what a whole method gives for every prior [images, count] and, the reason, for every row
struct Answer {
  double ignore_iof;
  int64_t* index;
  float* quality;
  float* target;
  float* cls_weight;
  float* loc_weight;
  int8_t* reason;
};

struct MatchArguments {
  Priors priors;
  Objects objects;
  Claims claims;
  float* iou;
  int64_t* row;
  float* best;
  int64_t* claim;
};
struct MaxIouArguments {
  Priors priors;
  Objects objects;
  double pos_iou, lo, hi;
  Claims claims;
  int64_t claims_take;
  Answer answer;
};
struct AtssArguments {
  Priors priors;
  Objects objects;
  int64_t topk, keep_single;
  double margin;
  Answer answer;
  int64_t levels;
  const int64_t* sizes;
};
// strides [priors] or null; ranges [levels, 2] or null: by strides; radius in strides, negative: the whole object
struct FcosArguments {
  Priors priors;
  Objects objects;
  const float* strides;
  double radius;
  int64_t rule;
  Answer answer;
  const double* ranges;
  int64_t levels;
  const int64_t* sizes;
};
// lost [images]: priors whose prediction is not finite
struct UniformArguments {
  Priors priors;
  Objects objects;
  Network network;
  int64_t times;
  double pos_ignore, neg_ignore;
  int64_t last_write;
  Answer answer;
  int64_t* lost;
};
// [count] priors of all images, in place: their owners and what they cost
struct KeepBestArguments {
  int64_t count, rows, most;
  int64_t* index;
  float* paid;
};
// strides [priors] or null; a network without scores is none; an answer [images, priors] and its reasons, in place
struct RescueArguments {
  Priors priors;
  const float* strides;
  Objects objects;
  Network network, other;
  int64_t least, listed, rounds;
  int64_t* index;
  float* quality;
  float* target;
  float* cls_weight;
  float* loc_weight;
  int8_t* reason;
  int64_t* given;
};
struct CandidateArguments {
  Priors priors;
  Objects objects;
  Network network;
  int64_t topk, overlaps, spread;
  double pos_iou;
  Claims claims;
  int64_t claims_take, shared;
  Cost cost;
  int64_t* prior;
  float* costs;
  float* iou;
  float* best_iou;
  int64_t* count;
  double* mean;
  double* variance;
  int64_t* reason;
  int64_t* refused;
  int64_t levels;
  const int64_t* sizes;
};
struct PairArguments {
  int64_t pairs, priors;
  const int64_t* row;
  const int64_t* prior;
  const int64_t* image_of;
  int64_t rows;
  const float* boxes;
  const int64_t* labels;
  int64_t images;
  Network network;
  Cost cost;
  float* out;
  float* iou;
};
struct MixtureArguments {
  int64_t rows, width;
  const float* costs;
  const int64_t* count;
  Fit fit;
  double* weights;
  double* means;
  double* variances;
  double* likelihood;
  int64_t* steps;
  uint8_t* converged;
};
struct ClassifyArguments {
  int64_t rows, width;
  const float* costs;
  const int64_t* count;
  const double* weights;
  const double* means;
  const double* variances;
  int64_t normalize;
  int64_t* component;
  double* score;
};
struct SettleArguments {
  int64_t rows, width;
  const float* costs;
  Fit fit;
  Separation separation;
  int8_t* state;
  int64_t* steps;
  uint8_t* converged;
};
struct ResolveArguments {
  int64_t rows, width, images, priors;
  const int64_t* prior;
  const int8_t* state;
  const float* cost;
  const int64_t* given;
  const int64_t* offsets;
  int64_t* index;
  float* quality;
  int8_t* reason;
};
struct CompleteArguments {
  Objects objects;
  int64_t priors, seen_step;
  const int64_t* given;
  const int8_t* reason_in;
  const float* target_in;
  const float* seen;
  const uint8_t* valid;
  double ignore_iof;
  int64_t* index;
  float* target;
  float* cls_weight;
  float* loc_weight;
  int8_t* reason;
};
struct PaaArguments {
  Priors priors;
  Objects objects;
  Network network;
  int64_t topk;
  double pos_iou;
  Claims claims;
  int64_t claims_take, shared;
  Cost cost;
  Fit fit;
  Separation separation;
  Answer answer;
  int64_t* refused;
  int64_t* steps;
  uint8_t* converged;
  int64_t levels;
  const int64_t* sizes;
};

// candidates under two networks; lists of the first, then of the second
struct RivalArguments {
  Priors priors;
  Objects objects;
  Network network, other;
  int64_t topk;
  double pos_iou;
  Claims claims;
  int64_t claims_take, shared, other_scores_are;
  Cost cost;
  int64_t* prior;
  float* costs;
  float* iou;
  int64_t* count;
  double* mean;
  double* variance;
  int64_t* reason;
  int64_t* refused;
  int32_t* chooser;
  int64_t levels;
  const int64_t* sizes;
};
struct AwardArguments {
  Priors priors;
  Objects objects;
  int64_t levels, topk;
  const uint8_t* chosen;
  const int64_t* prior;
  const float* cost;
  const int64_t* given;
  Fit fit;
  Separation separation;
  Answer answer;
  int64_t* steps;
  uint8_t* converged;
};

}  // namespace labelassign
