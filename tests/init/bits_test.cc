// The initial bits of every strategy, for ever and on every CPU: change them, and the strategy's revision must rise.
// The hashes were computed a second time by scripts/golden_initial_bits.py, which shares no code with us.
#include <map>

#include "base/hash.hpp"
#include "fixture.hpp"

namespace initlab::init {
namespace {

TEST_F(InitTest, GoldenBitsOfEveryStrategy) {
  const std::map<std::string, std::string> golden = {
      {"zero/1", "ad265176e4b6628fed958891b584da6f7953756fd124d46688092447f6804b1a"},
      {"one/1", "5fd0a7758249fffe3110189dd94b6bea33efa9cd63fef550b0507d2d869c33ec"},
      {"constant/1", "19768a1af779213bba80ef90d9939f5b248628c51307675eb086cde50d16a41e"},
      {"normal/1", "2f43818cffaa3a5aa18f45b80859cdab088f47e0bec08ab2e46e747de0587d8c"},
      {"truncated_normal/1", "0f93b63e9cbc96fde20f0f1b69c9329a23f70e86d23ae3b1aed7fc3d8b01b655"},
      {"bert_default/1", "0f93b63e9cbc96fde20f0f1b69c9329a23f70e86d23ae3b1aed7fc3d8b01b655"},
      {"template_uniform/1", "af0442c382f0bdd0ec3b50cec01e0364035bf87e33113cab5acb57541ca0f9e2"},
      {"xavier_uniform/1", "296bed195e6af8db5af316fde4639cc23a2120491afa00c9e1671be5ef3667d1"},
      {"xavier_normal/1", "5125af60d09f69866d85ac3f98696b1c181e69655ddc4450d7f17fba69b73b21"},
  };
  for (const CatalogEntry& entry : built_catalog().entries()) {
    const std::string id = entry.strategy->id;
    if (id == "pretrained/1") continue;  // its bits are the checkpoint's
    const config::InitRule r = entry.name == "constant" ? rule(id, {{"value", "0.3"}}) : rule(id);
    plan_.init = {r};
    plan_.head = {r};
    plan_.seeds.init = 2025;
    plan_.seeds.head = 2026;
    std::vector<float> values;
    filled(values);
    const std::string hash =
        base::sha256_hex({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
    const auto wanted = golden.find(id);
    EXPECT_EQ(hash, wanted == golden.end() ? "none: a new strategy needs its golden hash here" : wanted->second) << id;
  }
}

}  // namespace
}  // namespace initlab::init
