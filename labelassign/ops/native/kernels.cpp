// All ops for one instruction set; compiled once per set (see simd.h).
#include "../atss/native.h"
#include "../candidates/native.h"
#include "../central_answer/native.h"
#include "../complete/native.h"
#include "../fcos/native.h"
#include "../keep/native.h"
#include "../match/native.h"
#include "../max_iou/native.h"
#include "../mixture/settle.h"
#include "../paa/native.h"
#include "../rescue/native.h"
#include "../resolve/native.h"
#include "../rivals/native.h"
#include "../uniform/native.h"

namespace LA_SET {

int32_t call(int32_t op, const void* arguments, int32_t threads) {
  threads = threads < 1 ? 1 : threads > 64 ? 64 : threads;
  Memory memory;
  switch (op) {
    case kMatch: return match(*static_cast<const MatchArguments*>(arguments), threads, memory);
    case kMaxIou: return max_iou(*static_cast<const MaxIouArguments*>(arguments), threads, memory);
    case kAtss: return atss(*static_cast<const AtssArguments*>(arguments), threads, memory);
    case kCandidates: return candidates(*static_cast<const CandidateArguments*>(arguments), threads, memory, nullptr);
    case kPairCost: return pair_cost(*static_cast<const PairArguments*>(arguments), threads, memory);
    case kMixture: return mixture(*static_cast<const MixtureArguments*>(arguments), threads, memory);
    case kClassify: return classify_rows(*static_cast<const ClassifyArguments*>(arguments), threads, memory);
    case kSettle: return settle(*static_cast<const SettleArguments*>(arguments), threads, memory);
    case kResolve: return resolve(*static_cast<const ResolveArguments*>(arguments), threads);
    case kComplete: return complete(*static_cast<const CompleteArguments*>(arguments), threads, memory);
    case kPaa: return paa(*static_cast<const PaaArguments*>(arguments), threads, memory);
    case kRivals: return rivals(*static_cast<const RivalArguments*>(arguments), threads, memory);
    case kAward: return award(*static_cast<const AwardArguments*>(arguments), threads, memory);
    case kCentral: return central(*static_cast<const CentralArguments*>(arguments), threads, memory);
    case kCentralPairs: return central_pairs(*static_cast<const CentralPairArguments*>(arguments), threads, memory);
    case kContest: return contest(*static_cast<const ContestArguments*>(arguments), threads, memory);
    case kCentralAnswer: return central_answer(*static_cast<const CentralAnswerArguments*>(arguments), threads, memory);
    case kFcos: return fcos(*static_cast<const FcosArguments*>(arguments), threads, memory);
    case kUniform: return uniform(*static_cast<const UniformArguments*>(arguments), threads, memory);
    case kKeepBest: return keep_best(*static_cast<const KeepBestArguments*>(arguments), memory);
    case kRescue: return rescue(*static_cast<const RescueArguments*>(arguments), threads, memory);
    default: return kUnknownOp;
  }
}

}  // namespace LA_SET
