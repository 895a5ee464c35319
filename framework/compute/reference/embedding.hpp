// The scalar twin of compute/embedding.hpp: one element of the sum of three rows.
#pragma once

#include <cstddef>

namespace initlab::compute::reference {

template <class S>
S embedding_element(std::size_t n, std::size_t i, const S* word, std::size_t word_row, const S* position,
                    std::size_t position_row, const S* type, std::size_t type_row) {
  return word[word_row * n + i] + position[position_row * n + i] + type[type_row * n + i];
}

}  // namespace initlab::compute::reference
