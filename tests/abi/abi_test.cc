// The layout of the boundary is a promise to compiled plugins: sizes and offsets are numbers here, not expressions.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstddef>

#include "abi/initlab_plugin.h"
#include "sdk/conformance.hpp"

TEST(Abi, LayoutOfVersionOneDoesNotMove) {
  ASSERT_EQ(IL_ABI_MAJOR, 1);
  EXPECT_EQ(offsetof(il_param, name), 16u);
  EXPECT_EQ(offsetof(il_param, fan_out), 48u);
  EXPECT_EQ(offsetof(il_param, hidden), 56u);  // since minor 1
  EXPECT_EQ(sizeof(il_view), 24u);
  EXPECT_EQ(offsetof(il_host, source), 32u);
  EXPECT_EQ(sizeof(il_error), 512u);
  EXPECT_EQ(sizeof(il_option), 16u);
  EXPECT_EQ(sizeof(il_option_info), 32u);
  EXPECT_EQ(sizeof(il_strategy), 80u);
  EXPECT_EQ(offsetof(il_strategy, options), 40u);
  EXPECT_EQ(offsetof(il_strategy, extension), 72u);
  EXPECT_EQ(sizeof(il_moments), 16u);
  EXPECT_EQ(sizeof(il_plugin), 40u);
  EXPECT_EQ(offsetof(il_plugin, abi_major), 4u);
}

TEST(Abi, GrowthOfMinorOneStandsBehindVersionOne) {
  EXPECT_EQ(offsetof(il_host, parameter), 40u);  // what a host of minor 0 ends with
  EXPECT_EQ(offsetof(il_host, source_shape), 48u);
  EXPECT_EQ(sizeof(il_host), 56u);
  EXPECT_EQ(sizeof(il_sources), 24u);
  EXPECT_EQ(offsetof(il_check, check), 8u);
}

TEST(Abi, CalibrationOfMinorTwo) {
  ASSERT_EQ(IL_ABI_MINOR, 2);
  EXPECT_EQ(sizeof(il_activation), 48u);
  EXPECT_EQ(offsetof(il_activation, count), 8u);
  EXPECT_EQ(offsetof(il_activation, residual_stddev), 40u);
  EXPECT_EQ(sizeof(il_activations), 24u);
  EXPECT_EQ(offsetof(il_activations, context), 8u);
  EXPECT_EQ(sizeof(il_calibrate), 24u);
  EXPECT_EQ(offsetof(il_calibrate, calibrate), 16u);
}

TEST(Abi, GrowthOfMinorTwoStandsBehindMinorOne) {
  ASSERT_EQ(IL_ABI_MINOR, 2);
  EXPECT_EQ(offsetof(il_param, residual_scale), 72u);  // what a parameter of minor 1 ends with
  EXPECT_EQ(offsetof(il_param, normed), 80u);
  EXPECT_EQ(sizeof(il_param), 88u);
}

TEST(Abi, APluginInCKeepsItsPromises) {
  void* library = dlopen(INITLAB_C_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  const auto entry = reinterpret_cast<il_plugin_entry>(dlsym(library, IL_ENTRY_SYMBOL));
  ASSERT_NE(entry, nullptr);
  for (const auto& finding : initlab::sdk::check_plugin(entry())) ADD_FAILURE() << initlab::sdk::to_text(finding);
}
