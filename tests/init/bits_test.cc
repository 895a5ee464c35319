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
      {"uniform/1", "af0442c382f0bdd0ec3b50cec01e0364035bf87e33113cab5acb57541ca0f9e2"},
      {"kaiming_uniform/1", "eb0a3ed31a7483152e47e3bbe3bba92f41549a62db5994dc89a59ce16cf508c7"},
      {"kaiming_normal/1", "9744ec62fa02f84cc8b2923543c31964cfbd5a5c697c907001e05e519f9f8106"},
      {"lecun_uniform/1", "0107504a0a4c5ab02466b7eccb7051c2089177e6a7cb393996a98667e8291af0"},
      {"lecun_normal/1", "b757229caef168348a2d753c9a41c015ada0561e3ce57bcaefe1143bcbd9043a"},
      {"torch_linear/1", "4adcc1bcaa356014ad5648bb656b4e4ff7b17b5e5ab7ec5e93aa71f4a7d3f06a"},
      {"small_init/1", "99ee24d2e0227729cf40b05c31df7dad01ee50a06119c3f3156c2599c1e73c13"},
      {"megatron/1", "816682877df6415d1be7d8c7828fd9aec9c0faf51b1f281203f70d205a2e7c57"},
      {"wang_init/1", "d6ef7834c9c7b3b4e7bebe2848097464885aed384fc77113e6c23c6ca9cecdad"},
      {"ds_init/1", "4b0da9457f288d4e9d9e109402e4f5300bff26258a5574a2b56bb751b8619cf6"},
      {"gpt2_depth_scaled/1", "7476025d131f96ed0e439d13841927a77a127085b1a7d0ca19149dc39caf3af6"},
      {"orthogonal/1", "188f459a5b1e189d1513e10ce9b7bb3097679b97f6a6200edb6c07d371f0370a"},
      {"identity/1", "7cb2b5132eab457f6288d6ec8709a3b7265bca3499cb85906f107dc72db84c10"},
      {"zero_ones/1", "dd937a157a3315d1d9d76caa2f18b73eebbbc310be69c0239c8a89304a06cf64"},
      {"mimetic/1", "96d6697e4ff961a3f922b72dbea52853d4956e4ee71de6ad0439f6e40cd0771e"},
      {"deepnorm/1", "10fa85ffa363dad6daed26c0f379fdfa2eaf8ab8fd730ef6112dcf08b38ef211"},
      {"t_fixup/1", "34a4b16dbaa7fdf98f85204ea6ba6c28a38e72b354d3e35ba988f801b035679c"},
      {"fixup/1", "bc942e6597c5f1adc9509a410420a37a2eaab2b0911c284ff3749f2ce65fd0ee"},
      {"rezero/1", "5b7ffbd771ec1b8e8ec3733b8f3df78c888a540687046dfcea0858ab81848f1b"},
  };
  // Those that belong to another model than BERT: model.residual_scale, model.norm.
  const std::map<std::string, std::pair<const char*, const char*>> models = {{"deepnorm", {"deepnorm", "post"}},
                                                                             {"t_fixup", {"1", "none"}},
                                                                             {"fixup", {"1", "none"}},
                                                                             {"rezero", {"1", "none"}}};
  for (const CatalogEntry& entry : built_catalog().entries()) {
    const std::string id = entry.strategy->id;
    if (entry.strategy->extension != nullptr && entry.strategy->extension(IL_EXT_NEEDS_SOURCE) != nullptr)
      continue;  // below
    if (entry.strategy->extension != nullptr && entry.strategy->extension(IL_EXT_CALIBRATE) != nullptr)
      continue;  // not of the seed alone: tests/calibration
    const config::InitRule r = entry.name == "constant" ? rule(id, {{"value", "0.3"}}) : rule(id);
    plan_.init = {r};
    plan_.head = {r};
    if (entry.name == "rezero") plan_.head.clear();  // it has nothing to say of heads
    plan_.seeds.init = 2025;
    plan_.seeds.head = 2026;
    model_ = small_model();
    if (const auto own = models.find(entry.name); own != models.end()) {
      ASSERT_TRUE(config::set_residual_scale(model_, own->second.first));
      model_.norm = own->second.second;
    }
    table_ = params::bert_parameters(model_, config::HeadKind::classifier, 2);
    std::vector<float> values;
    filled(values);
    const std::string hash =
        base::sha256_hex({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
    const auto wanted = golden.find(id);
    EXPECT_EQ(hash, wanted == golden.end() ? "none: a new strategy needs its golden hash here" : wanted->second) << id;
  }
}

// From the fixture's checkpoint, whose values are all positive: sign_preserve's default is then shuffle, and
// transplant's is pretrained.
TEST_F(InitTest, GoldenBitsOfEveryStrategyFromACheckpoint) {
  const std::map<std::string, std::string> golden = {
      {"interpolate/1", "b21d08a41c4d05ab4c3a4445243d66bd222ab3cc0bd1d4430783e479d74f3204"},
      {"magnitude_preserve/1", "d10972ea3c7d659fc57d580f8e57e6b70df4e91e8f8b5823282d3cd2d19a7428"},
      {"mask/1", "fcfc6eb6517a76666157da6044f98120c2ba00e99ca69a6b9bf975489f0624de"},
      {"moment_match/1", "fc90f02f5691c05fe0da5a6ff0151cca439f50d555edc40db89fe64a0659b33e"},
      {"noise/1", "5050a1f205e0db01b9148dd2caeef7ab651baaf8b8da90c21ab690ae71b1dbc4"},
      {"permute_layers/1", "5efaf11dac792b9342b558b99f66877f904af2128cfc04c07f4fddadbce25fff"},
      {"pretrained/1", "b8866f1cfe768661ad75ef2f57bbb54f5e434d9da7905112218cf2f913ab39a9"},
      {"quantize/1", "fa3fa55f05c3127eded89e782dc7a151dbf8f41cb59efa567e5f71c4c09a1a4d"},
      {"shuffle/1", "9086b3c60779ed57a44efcdc555dd61d570c73f5a08cde7b559982cd41574a1d"},
      {"sign_preserve/1", "9086b3c60779ed57a44efcdc555dd61d570c73f5a08cde7b559982cd41574a1d"},
      {"spectrum_match/1", "658457e6d686bdd25fb873bafd511a340ff16a87c54ad13086f16dc52fad97e0"},
      {"transplant/1", "b8866f1cfe768661ad75ef2f57bbb54f5e434d9da7905112218cf2f913ab39a9"},
  };
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), model_, table_);
  const auto source = checkpoint::Checkpoint::open(folder.path());
  for (const CatalogEntry& entry : built_catalog().entries()) {
    const std::string id = entry.strategy->id;
    if (entry.strategy->extension == nullptr || entry.strategy->extension(IL_EXT_NEEDS_SOURCE) == nullptr) continue;
    const config::InitRule r = entry.name == "permute_layers" ? rule(id, {{"map", "0:1,1:0"}}) : rule(id);
    plan_.init = {r};
    plan_.head = {r};
    plan_.seeds.init = 2025;
    plan_.seeds.head = 2026;
    std::vector<float> values;
    filled(values, &source);
    const std::string hash =
        base::sha256_hex({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
    const auto wanted = golden.find(id);
    EXPECT_EQ(hash, wanted == golden.end() ? "none: a new strategy needs its golden hash here" : wanted->second) << id;
  }
}

}  // namespace
}  // namespace initlab::init
