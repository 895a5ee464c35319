// The table of tasks.
#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"
#include "data/data.hpp"

namespace initlab::data {

const std::vector<TaskInfo>& tasks() {
  using config::HeadKind;
  static const std::vector<TaskInfo> kTasks = {
      {"cola",
       HeadKind::classifier,
       {"unacceptable", "acceptable"},
       {"mcc", "accuracy"},
       false,
       "Corpus of Linguistic Acceptability: is it a sentence of English (Warstadt et al. 2018)"},
      {"sst2",
       HeadKind::classifier,
       {"negative", "positive"},
       {"accuracy"},
       false,
       "Stanford Sentiment Treebank: polarity of film reviews (Socher et al. 2013)"},
      {"mrpc",
       HeadKind::classifier,
       {"not_equivalent", "equivalent"},
       {"accuracy", "f1"},
       false,
       "Microsoft Research Paraphrase Corpus: do two sentences mean the same (Dolan & Brockett 2005)"},
      {"stsb",
       HeadKind::regressor,
       {},
       {"pearson", "spearman"},
       false,
       "Semantic Textual Similarity Benchmark: likeness of two sentences, 0 to 5 (Cer et al. 2017)"},
      {"rte",
       HeadKind::classifier,
       {"entailment", "not_entailment"},
       {"accuracy"},
       false,
       "Recognizing Textual Entailment: does the first sentence imply the second (Dagan et al. 2005)"},
      {"sentiment",
       HeadKind::classifier,
       {"negative", "positive"},
       {"accuracy"},
       true,
       "microworld: polarity of a sentence"},
      {"acceptability",
       HeadKind::classifier,
       {"unacceptable", "acceptable"},
       {"accuracy"},
       true,
       "microworld: do verb and object go together"},
      {"paraphrase",
       HeadKind::classifier,
       {"not_equivalent", "equivalent"},
       {"accuracy"},
       true,
       "microworld: do two sentences tell the same event"},
      {"entailment",
       HeadKind::classifier,
       {"not_entailment", "entailment"},
       {"accuracy"},
       true,
       "microworld: does the second sentence follow from the first"},
      {"mlm", HeadKind::mlm, {}, {"accuracy"}, true, "masked language model on microworld's stories or on text files"},
  };
  return kTasks;
}

const TaskInfo& task_info(const config::TaskConfig& task) {
  const auto found =
      std::find_if(tasks().begin(), tasks().end(), [&](const TaskInfo& info) { return info.name == task.name; });
  if (found != tasks().end()) return *found;
  std::vector<std::string> names;
  for (const TaskInfo& info : tasks()) names.push_back(info.name);
  throw base::Error({task.place, "task.name", "a task", base::quote(task.name), base::did_you_mean(task.name, names)});
}

}  // namespace initlab::data
