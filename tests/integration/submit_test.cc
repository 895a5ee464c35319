// `initlab submit` with a stand-in for sbatch: the script it writes, and what the script does.
#include <algorithm>

#include "base/json.hpp"
#include "integration/small_experiment.hpp"

namespace initlab::integration {
namespace {

class Submit : public SmallExperiment {
 protected:
  void SetUp() override {
    SmallExperiment::SetUp();
    fs::create_directories(folder_ / "bin");
    write(folder_ / "bin/sbatch", "#!/bin/sh\necho \"$@\" > '" + (folder_ / "called").string() + "'\necho 42\n");
    write(folder_ / "bin/scontrol", "#!/bin/sh\necho \"$@\" >> '" + (folder_ / "requeued").string() + "'\n");
    for (const char* name : {"sbatch", "scontrol"})
      fs::permissions(folder_ / "bin" / name, fs::perms::owner_all, fs::perm_options::add);
  }
  Said submit(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"env",
                                      "PATH=" + (folder_ / "bin").string() + ":/usr/bin:/bin",
                                      program(),
                                      "submit",
                                      spec_.string(),
                                      "--results",
                                      results().string(),
                                      "--slurm"};
    words.insert(words.end(), more.begin(), more.end());
    return command(words);
  }
  fs::path results() const { return folder_ / "the results"; }  // a name that needs quotes
  // What Slurm does with one task of the array.
  std::vector<std::string> task(int number) const {
    return {"env",
            "PATH=" + (folder_ / "bin").string() + ":/usr/bin:/bin",
            "SLURM_ARRAY_JOB_ID=42",
            "SLURM_ARRAY_TASK_ID=" + std::to_string(number),
            "sh",
            (results() / "small/submit.sbatch").string()};
  }
  // A worker has its run, and is past the beginning of it.
  bool steps_are_made() const {
    if (!fs::exists(results())) return false;
    for (const auto& entry : fs::recursive_directory_iterator(results()))
      if (entry.path().extension() == ".lock" && slurp(entry.path()).find("\"step\":0,") == std::string::npos &&
          slurp(entry.path()).find("\"step\"") != std::string::npos)
        return true;
    return false;
  }
  int finished() const {
    const Said said = initlab({"status", results().string(), "--json"});
    return base::parse_json(said.out, "status")["experiments"][0]["counts"]["finished"];
  }
};

TEST_F(Submit, TheTasksOfTheArrayDoAllRuns) {
  const Said said = submit({"--runs-per-task", "3", "--partition", "short", "--time", "01:00:00", "--mem", "2G"});
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("job 42: 4 runs in 2 tasks of up to 3"), std::string::npos) << said.out;
  const fs::path script = results() / "small/submit.sbatch";
  EXPECT_EQ(slurp(folder_ / "called"), "--parsable " + script.string() + "\n");
  const std::string text = slurp(script);
  for (const char* line : {"#SBATCH --array=0-1\n", "#SBATCH --partition=short\n", "#SBATCH --time=01:00:00\n",
                           "#SBATCH --mem=2G\n", "#SBATCH --requeue\n", "#SBATCH --job-name=initlab-small\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line;
  EXPECT_EQ(finished(), 0) << "nothing runs here";
  EXPECT_EQ(command(task(0)).code, 0);
  EXPECT_EQ(finished(), 3);
  EXPECT_EQ(command(task(1)).code, 0);
  EXPECT_EQ(finished(), 4);
  EXPECT_EQ(command(task(0)).code, 0) << "queued again: nothing is left to do";
  EXPECT_NE(submit().out.find("all 4 runs exist"), std::string::npos);
}

// Before the time limit: the run keeps its state, the task queues itself once more. When cancelled, it does not.
TEST_F(Submit, ATaskThatIsOutOfTimeIsQueuedAgain) {
  ASSERT_EQ(submit({"--set", "training.epochs=100000"}).code, 0);
  for (const int signal : {SIGUSR1, SIGTERM}) {
    SCOPED_TRACE(signal);
    fs::remove(folder_ / "requeued");
    const pid_t pid = start(task(1), "", "task");
    for (int i = 0; i < 3000 && !steps_are_made(); ++i) ::usleep(10'000);
    ASSERT_TRUE(steps_are_made());
    ::kill(pid, signal);
    EXPECT_EQ(finish(pid).code, 130);
    const base::Json shown =
        base::parse_json(initlab({"show", run_files(results())[0].string(), "--json"}).out, "show");
    EXPECT_EQ(shown["state"], "interrupted");
    EXPECT_EQ(slurp(folder_ / "requeued"), signal == SIGUSR1 ? "requeue 42_1\n" : "");
  }
  const base::Json again = base::parse_json(initlab({"show", run_files(results())[0].string(), "--json"}).out, "show");
  EXPECT_EQ(again["resumed"].size(), 1u) << "the second time it went on";
}

// What all runs wait for is counted too: a task that does nothing else is a task.
TEST_F(Submit, CountsWhatComesBefore) {
  write(folder_ / "makes.yaml",
        "experiment: makes\nmodel: {layers: 1, hidden: 32, heads: 2, max_positions: 64, vocabulary: microworld}\n"
        "task: {name: mlm, data: microworld, tokens: 4000}\ntraining: {steps: 2, batch: 4, max_length: 64}\n"
        "arms: {truncated: [{use: truncated_normal}]}\n");
  write(spec_,
        "experiment: small\nmodel: {checkpoint: {experiment: makes.yaml, replicates: 2}}\n"
        "task: {name: sentiment, data: microworld, train_size: 64}\n"
        "training: {steps: 4, batch: 16, max_length: 64, tune: {learning_rate: [1e-3, 1e-4]}}\n"
        "arms:\n  pretrained: [{use: pretrained, missing: bert_default}]\n  xavier: [{use: xavier_uniform}]\n"
        "seeds: {replicates: 2, base: 7}\n");
  const Said said = submit({"--runs-per-task", "3"});
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("job 42: 4 runs after 2 pre-training runs and 4 tuning runs in 4 tasks of up to 3"),
            std::string::npos)
      << said.out;
  EXPECT_NE(slurp(results() / "small/submit.sbatch").find("#SBATCH --array=0-3\n"), std::string::npos);
  const std::string planned = slurp(results() / "small/planned.txt");
  EXPECT_EQ(std::count(planned.begin(), planned.end(), '\n'), 4) << "the runs' own names wait for their rates";
  EXPECT_EQ(command(task(0)).code, 0);
  EXPECT_EQ(command(task(1)).code, 0);
  EXPECT_EQ(command(task(2)).code, 0) << "nothing is left for it";
  EXPECT_EQ(command(task(3)).code, 0);
  EXPECT_NE(submit().out.find("all 4 runs exist"), std::string::npos);
}

TEST_F(Submit, PrintsWithoutSubmitting) {
  const Said said = submit({"--print"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_TRUE(said.out.starts_with("#!/bin/sh\n#SBATCH ")) << said.out;
  EXPECT_FALSE(fs::exists(folder_ / "called"));
  EXPECT_FALSE(fs::exists(results()));
}

TEST_F(Submit, BadInputIsRefused) {
  const Said none = initlab({"submit", spec_.string()});
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.err.find("--slurm"), std::string::npos) << none.err;
  const Said words = submit({"--partition", "a\n#SBATCH --wrap=rm"});
  EXPECT_EQ(words.code, 2);
  EXPECT_NE(words.err.find("one word"), std::string::npos) << words.err;
  EXPECT_FALSE(fs::exists(folder_ / "called"));
  fs::remove(folder_ / "bin/sbatch");
  const Said absent = command({"env", "PATH=" + (folder_ / "bin").string(), program(), "submit", spec_.string(),
                               "--results", results().string(), "--slurm"});
  EXPECT_EQ(absent.code, 2);
  EXPECT_NE(absent.err.find("is Slurm installed"), std::string::npos) << absent.err;
}

}  // namespace
}  // namespace initlab::integration
