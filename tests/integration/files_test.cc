// What looks after run files: verify, recover, tail, export, index; and what h5py sees of it.
#include <thread>

#include "base/json.hpp"
#include "integration/small_experiment.hpp"

namespace initlab::integration {
namespace {

class Files : public SmallExperiment {
 protected:
  std::string results() const { return (folder_ / "results").string(); }
  void run_all() const { ASSERT_EQ(initlab({"run", spec_.string(), "--results", results()}).code, 0); }
  // A run that was killed in its midst: some steps and evaluations are in the file, which says "running".
  fs::path killed_run() const {
    const pid_t pid = start({program(), "run", spec_.string(), "--results", results(), "--set", "seeds.replicates=1",
                             "--set", "arms={truncated: [{use: truncated_normal}]}", "--set", "training.epochs=100000",
                             "--jobs", "1", "--threads", "1"});
    std::vector<fs::path> files;
    for (int i = 0; i < 1000 && files.empty(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      files = run_files(results());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    std::istringstream children(slurp("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"));
    pid_t worker = 0;
    children >> worker;
    if (worker > 0) ::kill(worker, SIGKILL);
    finish(pid);
    return files.empty() ? fs::path() : files[0];
  }
  static std::string python() { return "/usr/bin/python3"; }
  bool has_h5py() const { return command({python(), "-c", "import h5py"}).code == 0; }
  Said h5py(const std::string& code) const { return command({python(), "-c", "import h5py\n" + code}); }
};

TEST_F(Files, WholeRunsAreVerified) {
  run_all();
  const Said said = initlab({"verify", results()});
  EXPECT_EQ(said.code, 0) << said.out;
  std::size_t ok = 0;
  for (std::size_t at = said.out.find(": ok"); at != std::string::npos; at = said.out.find(": ok", at + 1)) ++ok;
  EXPECT_EQ(ok, 4u) << said.out;
}

TEST_F(Files, BrokenOnesAreNamed) {
  run_all();
  const auto files = run_files(results());
  write(files[0], slurp(files[0]).substr(0, 3000));
  const Said cut = initlab({"verify", results()});
  EXPECT_EQ(cut.code, 1);
  EXPECT_NE(cut.out.find(files[0].string() + ": BROKEN"), std::string::npos) << cut.out;
  EXPECT_NE(cut.out.find(files[1].string() + ": ok"), std::string::npos) << cut.out;
  if (!has_h5py()) GTEST_SKIP() << "skipped: no h5py in " << python();
  // Files that open and read well, and say what cannot be.
  const std::pair<const char*, const char*> lies[] = {
      {"f['train/step'][3] = 7", "steps must be 1, 2, 3"},
      {"f['eval/step'][1] = 1", "/eval/step does not rise at 1"},
      {"f['eval/step'][-1] = 99", "/eval/step 99 is beyond the last step"},
      {"f.attrs.modify('run_id', b'0' * 64)", "run_id is not the SHA-256 of /provenance/plan"},
  };
  const std::string whole = slurp(files[1]);
  for (const auto& [lie, finding] : lies) {
    write(files[1], whole);
    const Said told = h5py("f = h5py.File('" + files[1].string() + "', 'r+')\n" + lie + "\nf.close()");
    ASSERT_EQ(told.code, 0) << told.err;
    const Said said = initlab({"verify", files[1].string()});
    EXPECT_EQ(said.code, 1) << lie;
    EXPECT_NE(said.out.find(finding), std::string::npos) << said.out;
  }
}

TEST_F(Files, AKilledFileIsRecoveredAndOpensPlainly) {
  const fs::path file = killed_run();
  ASSERT_FALSE(file.empty());
  const auto shown = [&] { return base::parse_json(initlab({"show", file.string(), "--json"}).out, "show"); };
  const base::Json before = shown();
  ASSERT_EQ(before["state"], "running");
  ASSERT_FALSE(before["train"].empty());
  const Said status = initlab({"status", results(), "--json"});
  EXPECT_EQ(base::parse_json(status.out, "status")["experiments"][0]["counts"]["killed"], 1) << status.out;
  const Said tail = initlab({"tail", file.string(), "--lines", "2"});
  EXPECT_EQ(tail.code, 0) << tail.err;
  EXPECT_NE(tail.out.find("killed: no live process has this run"), std::string::npos) << tail.out;
  const Said said = initlab({"recover", file.string()});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("recovered, " + std::to_string(before["train"].size()) + " steps"), std::string::npos)
      << said.out;
  const base::Json after = shown();
  EXPECT_EQ(after["state"], "interrupted");
  EXPECT_EQ(after["train"], before["train"]);
  EXPECT_EQ(after["eval"], before["eval"]);
  EXPECT_EQ(after["init"], before["init"]);
  EXPECT_EQ(initlab({"verify", file.string()}).code, 0);
  EXPECT_NE(initlab({"recover", file.string()}).out.find("needs no recovery"), std::string::npos);
  if (!has_h5py()) GTEST_SKIP() << "skipped: no h5py in " << python();
  const Said plain = h5py("print(len(h5py.File('" + file.string() + "')['train/loss'][:]))");
  EXPECT_EQ(plain.code, 0) << plain.err;
  EXPECT_EQ(std::stoul(plain.out), before["train"].size());
}

TEST_F(Files, TheTailOfAFinishedRunEndsWithItsState) {
  run_all();
  const fs::path file = run_files(results())[0];
  const Said said = initlab({"tail", file.string(), "--lines", "3"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(said.out.find("step 5 "), std::string::npos) << said.out;
  EXPECT_LT(said.out.find("evaluation after step 6 "), said.out.find("step 7 ")) << said.out;
  EXPECT_LT(said.out.find("step 8 "), said.out.find("evaluation after step 8 ")) << said.out;
  EXPECT_TRUE(said.out.ends_with("finished\n")) << said.out;
}

TEST_F(Files, ExportIsTheCsvOfCompare) {
  run_all();
  const fs::path compared = folder_ / "compared.csv", exported = folder_ / "exported.csv";
  ASSERT_EQ(initlab({"compare", results(), "--csv", compared.string()}).code, 0);
  ASSERT_EQ(initlab({"export", results(), "--csv", exported.string()}).code, 0);
  EXPECT_FALSE(slurp(exported).empty());
  EXPECT_EQ(slurp(exported), slurp(compared));
  EXPECT_EQ(initlab({"export", results()}).out, slurp(compared));
}

TEST_F(Files, OneIndexShowsTheWholeSweep) {
  run_all();
  const fs::path index = folder_ / "results" / "sweep.hdf5";
  const Said said = initlab({"index", results(), "--out", index.string()});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("4 runs"), std::string::npos) << said.out;
  EXPECT_EQ(initlab({"index", results(), "--out", (folder_ / "x.h5").string()}).code, 2) << "would pass for a run";
  EXPECT_EQ(initlab({"compare", results()}).code, 0) << "the index is no run";
  if (!has_h5py()) GTEST_SKIP() << "skipped: no h5py in " << python();
  // Moved together, they still belong together.
  fs::rename(folder_ / "results", folder_ / "moved");
  const Said sees =
      h5py("f = h5py.File('" + (folder_ / "moved" / "sweep.hdf5").string() +
           "')\n"
           "for name, arm in zip(f['table/run'].asstr()[:], f['table/arm'].asstr()[:]):\n"
           "  run = f['runs'][name]\n"
           "  print(arm, run.attrs['arm'].decode(), run['state'].asstr()[()], run['train/loss'].shape[0])");
  EXPECT_EQ(sees.code, 0) << sees.err;
  EXPECT_EQ(sees.out,
            "truncated truncated finished 8\ntruncated truncated finished 8\nxavier xavier finished 8\nxavier xavier "
            "finished 8\n");
}

TEST_F(Files, WhatIsNotThereIsSaid) {
  for (const char* verb : {"verify", "recover", "export", "index"}) {
    const Said said = initlab({verb, (folder_ / "nothing").string()});
    EXPECT_EQ(said.code, 2) << verb;
    EXPECT_NE(said.err.find("expected a run file or a folder of them"), std::string::npos) << said.err;
  }
  EXPECT_EQ(initlab({"status", (folder_ / "nothing").string()}).code, 2);
  EXPECT_EQ(initlab({"tail", spec_.string()}).code, 2);
}

}  // namespace
}  // namespace initlab::integration
