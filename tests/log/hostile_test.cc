// Files that are not run files, or no longer: an Error with a place, never a crash, never memory without bound.
#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <random>

#include "base/error.hpp"
#include "sample.hpp"

namespace initlab::log {
namespace {

std::string refusal(const std::filesystem::path& path) {
  try {
    read_run(path, Detail::predictions);
  } catch (const base::Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find(path.string()), 0U) << text;
    return text.substr(std::min(text.size(), path.string().size()));
  }
  return "no error";
}

void spill(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// A finished run, opened with the plain library so that `change` can spoil it.
void spoil(const std::filesystem::path& path, const std::function<void(hid_t)>& change) {
  write_sample(path, 20);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  ASSERT_GE(file, 0);
  change(file);
  ASSERT_GE(H5Fclose(file), 0);
}

hid_t create(hid_t file, const char* name, hid_t type, std::vector<hsize_t> dims, hid_t properties = H5P_DEFAULT) {
  H5Ldelete(file, name, H5P_DEFAULT);
  const hid_t space =
      dims.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr);
  const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
  EXPECT_GE(set, 0) << name;
  H5Sclose(space);
  return set;
}

TEST(Hostile, NotARunFile) {
  const Folder folder;
  EXPECT_EQ(refusal(folder / "absent.h5"), ": expected a run file, got nothing");
  EXPECT_EQ(refusal(folder.path()), ": expected a run file, got something else (a folder or device)");
  spill(folder / "empty.h5", "");
  EXPECT_EQ(refusal(folder / "empty.h5"), ": expected a run file (HDF5), got another kind of file");
  spill(folder / "text.h5", "experiment: no\n");
  EXPECT_EQ(refusal(folder / "text.h5"), ": expected a run file (HDF5), got another kind of file");
  const hid_t file = H5Fcreate((folder / "other.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(file);
  EXPECT_EQ(refusal(folder / "other.h5"),
            ": attribute schema: expected an integer, got nothing\n  hint: is this a run file?");
}

TEST(Hostile, CutOff) {
  const Folder folder;
  write_sample(folder / "run.h5", 20);
  const std::string bytes = bytes_of(folder / "run.h5");
  for (std::size_t keep = 9; keep < bytes.size(); keep += bytes.size() / 40) {
    spill(folder / "cut.h5", bytes.substr(0, keep));
    EXPECT_NE(refusal(folder / "cut.h5"), "no error") << keep;
  }
  spill(folder / "cut.h5", bytes.substr(0, bytes.size() / 2));
  EXPECT_EQ(refusal(folder / "cut.h5"),
            ": expected a whole run file (HDF5), got one that is cut off, damaged or of another format\n"
            "  hint: restore it from a copy, or remove it and run again");
}

TEST(Hostile, OtherSchema) {
  const Folder folder;
  spoil(folder / "run.h5", [](hid_t file) {
    const hid_t attribute = H5Aopen(file, "schema", H5P_DEFAULT);
    const int schema = 2;
    H5Awrite(attribute, H5T_NATIVE_INT, &schema);
    H5Aclose(attribute);
  });
  EXPECT_EQ(refusal(folder / "run.h5"),
            ": attribute schema: expected 1, got 2\n  hint: read it with the initlab that wrote it, or a newer one");
  EXPECT_THROW(read_status(folder / "run.h5"), base::Error);
}

TEST(Hostile, MissingDataSetsAreNamed) {
  const Folder folder;
  for (const std::string name :
       {"/state", "/train/grad_norm", "/eval/f1", "/init/sha256", "/provenance/cpu", "/comparison/better"}) {
    spoil(folder / "run.h5", [&](hid_t file) { H5Ldelete(file, name.c_str(), H5P_DEFAULT); });
    EXPECT_EQ(refusal(folder / "run.h5"), ": " + name +
                                              ": expected a data set, got nothing\n"
                                              "  hint: is this a run file? docs/RUN_FILE.md lists what one holds");
  }
  spoil(folder / "run.h5", [](hid_t file) { H5Adelete(file, "arm"); });
  EXPECT_EQ(refusal(folder / "run.h5"), ": attribute arm: expected text, got nothing\n  hint: is this a run file?");
}

// Files from before the audit: what they do not have is unknown, not wrong.
TEST(Hostile, OlderFilesWithoutTheAuditAreRead) {
  const Folder folder;
  spoil(folder / "run.h5", [](hid_t file) {
    for (const char* name : {"place", "stream", "requested_mean", "requested_std", "zeros", "effective_rank",
                             "source_sha256", "sha256_first_step"})
      EXPECT_GE(H5Ldelete(file, (std::string("/init/") + name).c_str(), H5P_DEFAULT), 0) << name;
    for (const char* name :
         {"/provenance/unused", "/provenance/role", "/provenance/tuning", "/comparison/gain_from",
          "/comparison/gain_to", "/comparison/design", "/provenance/checkpoint_replicate", "/provenance/cores"})
      EXPECT_GE(H5Ldelete(file, name, H5P_DEFAULT), 0) << name;
  });
  const record::Run run = read_run(folder / "run.h5");
  ASSERT_EQ(run.init.size(), 3U);
  EXPECT_EQ(run.init[1].sha256, std::string(64, '2'));
  EXPECT_EQ(run.init[1].place + run.init[1].stream + run.init[1].source_sha256 + run.init[1].sha256_first_step, "");
  EXPECT_TRUE(std::isnan(run.init[1].requested_mean) && std::isnan(run.init[1].requested_stddev));
  EXPECT_TRUE(std::isnan(run.init[1].zeros) && std::isnan(run.init[1].effective_rank));
  EXPECT_TRUE(run.header.checkpoint_unused.empty());
  EXPECT_EQ(run.header.gain_from + run.header.gain_to + run.header.design + run.header.tuning, "");
  EXPECT_EQ(run.header.role, record::kRunRole);
  EXPECT_EQ(run.header.checkpoint_replicate, -1);
  EXPECT_EQ(run.header.cores, "");
}

TEST(Hostile, OlderFilesWithoutDiagnosticsAreRead) {
  const Folder folder;
  spoil(folder / "run.h5", [](hid_t file) { EXPECT_GE(H5Ldelete(file, "/diagnostics", H5P_DEFAULT), 0); });
  const record::Run run = read_run(folder / "run.h5");
  EXPECT_EQ(run.steps.size(), 20U);
  EXPECT_TRUE(run.diagnostics.parts.empty() && run.diagnostics.layers.empty());
}

TEST(Hostile, APartThatNobodyKnows) {
  const Folder folder;
  spoil(folder / "run.h5", [](hid_t file) {
    const hid_t set = create(file, "/diagnostics/parts/part", H5T_NATIVE_INT64, {3});
    const std::int64_t parts[3] = {0, 1, 6};
    H5Dwrite(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, parts);
    H5Dclose(set);
  });
  EXPECT_EQ(refusal(folder / "run.h5"), ": /diagnostics/parts/part: expected the number of a part, got 6");
}

TEST(Hostile, OtherTypesAndShapes) {
  const Folder folder;
  const auto with = [&](const char* name, hid_t type, const std::vector<hsize_t>& dims) {
    spoil(folder / "run.h5", [&](hid_t file) { H5Dclose(create(file, name, type, dims)); });
    return refusal(folder / "run.h5");
  };
  EXPECT_EQ(with("/train/loss", H5T_NATIVE_INT, {20}), ": /train/loss: expected floating-point numbers, got integers");
  EXPECT_EQ(with("/train/step", H5T_NATIVE_DOUBLE, {20}),
            ": /train/step: expected integers, got floating-point numbers");
  EXPECT_EQ(with("/state", H5T_NATIVE_DOUBLE, {}), ": /state: expected text, got floating-point numbers");
  EXPECT_EQ(with("/state", H5T_C_S1, {}), ": /state: expected running, finished, failed or interrupted, got \"\"");
  EXPECT_EQ(with("/train/loss", H5T_NATIVE_DOUBLE, {}), ": /train/loss: expected 1 dimensions, got ()");
  EXPECT_EQ(with("/eval/predictions", H5T_NATIVE_FLOAT, {2, 4, 2}),
            ": /eval/predictions (second dimension): expected 5 rows, got 4");
  EXPECT_EQ(with("/train/tokens", H5T_NATIVE_INT64, {19}), ": /train: expected 20 rows, got 19");
  EXPECT_EQ(with("/whole", H5T_NATIVE_INT64, {3}), ": /whole: expected two numbers of rows, got something else");
  EXPECT_EQ(with("/init/mean", H5T_NATIVE_DOUBLE, {2}), ": /init/mean: expected 3 rows, got 2");
}

// Holds claims of 8 TB in a file of some kilobytes.
TEST(Hostile, HugeClaimsCostNoMemory) {
  const Folder folder;
  const auto with = [&](const char* name, hid_t type, std::vector<hsize_t> dims, std::vector<hsize_t> chunk) {
    spoil(folder / "run.h5", [&](hid_t file) {
      const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
      H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data());
      H5Dclose(create(file, name, type, dims, properties));
      H5Pclose(properties);
    });
    rusage before{}, after{};
    ::getrusage(RUSAGE_SELF, &before);
    const std::string text = refusal(folder / "run.h5");
    ::getrusage(RUSAGE_SELF, &after);
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 400'000) << "KiB";
    return text;
  };
  EXPECT_NE(with("/train/loss", H5T_NATIVE_DOUBLE, {hsize_t{1} << 40}, {1024}).find("a shape of (1099511627776)"),
            std::string::npos);
  EXPECT_NE(with("/eval/predictions", H5T_NATIVE_FLOAT, {hsize_t{1} << 31, 5, hsize_t{1} << 31}, {1, 5, 1024})
                .find("a shape of"),
            std::string::npos);
  EXPECT_NE(with("/train/loss", H5T_NATIVE_DOUBLE, {hsize_t{1} << 29}, {1 << 26}).find("chunks of at most"),
            std::string::npos);
  const hid_t wide = H5Tcopy(H5T_C_S1);
  H5Tset_size(wide, std::size_t{1} << 31);
  EXPECT_NE(with("/init/name", wide, {3}, {1}).find("chunks of at most"), std::string::npos);
  H5Tclose(wide);
}

TEST(Hostile, NothingOutsideTheFileIsRead) {
  const Folder folder;
  write_sample(folder / "other.h5", 20);
  spoil(folder / "run.h5", [&](hid_t file) {
    H5Ldelete(file, "/train/loss", H5P_DEFAULT);
    H5Lcreate_external((folder / "other.h5").c_str(), "/train/loss", file, "/train/loss", H5P_DEFAULT, H5P_DEFAULT);
  });
  EXPECT_NE(refusal(folder / "run.h5").find("/train/loss: expected a data set, got nothing"), std::string::npos);
  spoil(folder / "run.h5", [&](hid_t file) {
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(properties, "/etc/passwd", 0, 160);
    H5Dclose(create(file, "/train/loss", H5T_NATIVE_DOUBLE, {20}, properties));
    H5Pclose(properties);
  });
  EXPECT_EQ(refusal(folder / "run.h5"), ": /train/loss: expected numbers stored in this file, got storage elsewhere");
}

TEST(Hostile, VariableLengthTextIsTolerated) {
  const Folder folder;
  const char* words[] = {"variable", "length", "names"};
  spoil(folder / "run.h5", [&](hid_t file) {
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    const hid_t names = create(file, "/init/name", type, {3});
    H5Dwrite(names, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, words);
    H5Dclose(names);
    const hid_t task = create(file, "/comparison/task", type, {});
    H5Dwrite(task, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, words);
    H5Dclose(task);
    H5Adelete(file, "arm");
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attribute = H5Acreate2(file, "arm", type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, words + 1);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
  });
  const record::Run run = read_run(folder / "run.h5");
  EXPECT_EQ(run.init.at(2).name, "names");
  EXPECT_EQ(run.header.task, "variable");
  EXPECT_EQ(run.header.arm, "length");
}

// A run whose writer was killed: the file is marked as being written.
void write_killed(const std::filesystem::path& path) {
  const pid_t child = ::fork();
  if (child == 0) {
    RunWriter writer(path);
    writer.begin(sample_header(), sample_init());
    for (std::int64_t i = 1; i <= 20; ++i) writer.step(sample_step(i));
    writer.eval(sample_eval(20));
    ::raise(SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
}

// Flips bits and cuts in a valid file, in a child: whatever happens there, the child ends by itself and in time.
void expect_no_crash(const Folder& folder, const std::string& bytes, int rounds) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(120);
    int refused = 0;
    for (int round = 0; round < rounds; ++round) {
      spill(folder / "round", std::to_string(round));
      std::mt19937_64 random(static_cast<std::uint64_t>(round));
      std::string mutated = bytes;
      for (int flips = 1 << (round % 6); flips > 0; --flips) {
        const std::size_t within = round % 3 == 0 ? 4096 : mutated.size();  // the head of the file more often
        mutated[random() % within] ^= static_cast<char>(1 << (random() % 8));
      }
      if (round % 7 == 0) mutated.resize(random() % mutated.size());
      spill(folder / "mutated.h5", mutated);
      try {
        read_run(folder / "mutated.h5", Detail::predictions);
      } catch (const base::Error&) {
        ++refused;
      }
    }
    ::_exit(refused > rounds / 4 ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status) << " in round " << bytes_of(folder / "round");
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Hostile, MutatedFilesNeverCrash) {
  const Folder folder;
  write_sample(folder / "run.h5", 20);
  expect_no_crash(folder, bytes_of(folder / "run.h5"), 500);
}

TEST(Hostile, MutatedFilesOfKilledWritersNeverCrashOrHang) {
  const Folder folder;
  write_killed(folder / "run.h5");
  ASSERT_EQ(read_run(folder / "run.h5").steps.size(), 20U);
  expect_no_crash(folder, bytes_of(folder / "run.h5"), 100);
}

TEST(Hostile, MarkedAsBeingWrittenButDamagedIsRefusedSoon) {
  const Folder folder;
  write_killed(folder / "run.h5");
  std::string bytes = bytes_of(folder / "run.h5");
  bytes[20] ^= 1;  // in the superblock, which has a checksum
  spill(folder / "run.h5", bytes);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_NE(refusal(folder / "run.h5").find("cut off, damaged"), std::string::npos);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

}  // namespace
}  // namespace initlab::log
