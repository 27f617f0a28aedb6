// All ops for one instruction set; compiled once per set (see simd.h).
#include "../atss/native.h"
#include "../candidates/native.h"
#include "../complete/native.h"
#include "../match/native.h"
#include "../max_iou/native.h"
#include "../mixture/settle.h"
#include "../resolve/native.h"

namespace LA_SET {

int32_t call(int32_t op, const void* arguments, int32_t threads) {
  threads = threads < 1 ? 1 : threads > 64 ? 64 : threads;
  switch (op) {
    case kMatch: return match(*static_cast<const MatchArguments*>(arguments), threads);
    case kMaxIou: return max_iou(*static_cast<const MaxIouArguments*>(arguments), threads);
    case kAtss: return atss(*static_cast<const AtssArguments*>(arguments), threads);
    case kCandidates: return candidates(*static_cast<const CandidateArguments*>(arguments), threads);
    case kPairCost: return pair_cost(*static_cast<const PairArguments*>(arguments), threads);
    case kMixture: return mixture(*static_cast<const MixtureArguments*>(arguments), threads);
    case kClassify: return classify_rows(*static_cast<const ClassifyArguments*>(arguments), threads);
    case kSettle: return settle(*static_cast<const SettleArguments*>(arguments), threads);
    case kResolve: return resolve(*static_cast<const ResolveArguments*>(arguments), threads);
    case kComplete: return complete(*static_cast<const CompleteArguments*>(arguments), threads);
    default: return kUnknownOp;
  }
}

}  // namespace LA_SET
