#include "compute/arena.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace initlab::compute {
namespace {

TEST(Arena, CountsThenGrantsTheSameLayout) {
  Arena arena;
  EXPECT_EQ(arena.take<float>(3), nullptr);
  EXPECT_EQ(arena.take<double>(100), nullptr);
  arena.grant();
  float* a = arena.take<float>(3);
  double* b = arena.take<double>(100);
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a) % 64, 0u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b) % 64, 0u);
  EXPECT_GE(reinterpret_cast<std::byte*>(b) - reinterpret_cast<std::byte*>(a), 12) << "pieces overlap";
  EXPECT_LE(reinterpret_cast<std::byte*>(b + 100), reinterpret_cast<std::byte*>(a) + arena.bytes());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(b[i], 0.0);
}

TEST(Arena, SaysWhatToDoWhereThereIsNoMemory) {
  Arena arena;
  arena.take<float>(std::int64_t{1} << 56);
  try {
    arena.grant();
    FAIL() << "2^58 bytes were granted";
  } catch (const base::Error& error) {
    EXPECT_NE(std::string(error.what()).find("memory: model: expected 274877906944 MiB"), std::string::npos)
        << error.what();
    EXPECT_NE(std::string(error.what()).find("training.batch"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace initlab::compute
