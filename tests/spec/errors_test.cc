// Bad specs, and what is said about them, word for word: place, what was expected, what was got, the next step.
#include <gtest/gtest.h>

#include "spec/support.hpp"

namespace initlab::spec {
namespace {

struct Case {
  std::string text;
  std::string error;
};

void expect_all(const std::vector<Case>& cases) {
  for (const Case& c : cases) EXPECT_EQ(error_of([&] { from(c.text); }), c.error) << c.text;
}

// kSmall is lines 1 to 5; this adds line 6.
std::string with(const std::string& line) { return kSmall + line + "\n"; }
// Its second, third, or the arms' lines replaced.
std::string model(const std::string& value) {
  return "experiment: e\nmodel: " + value + "\ntask: {name: cola}\narms: {a: {use: zero}}\n";
}
std::string task(const std::string& value) {
  return "experiment: e\ntask: " + value + "\nmodel: {shape: tiny}\narms: {a: {use: zero}}\n";
}
std::string arms(const std::string& value) {
  return "experiment: e\narms: " + value + "\ntask: {name: cola}\nmodel: {shape: tiny}\n";
}

TEST(Errors, TopLevel) {
  expect_all({
      {"just words", "s.yaml:1:1: spec: expected a map with experiment, model, task and arms, got \"just words\""},
      {"[1, 2]", "s.yaml:1:1: spec: expected a map with experiment, model, task and arms, got a list"},
      {"~", "s.yaml:1:1: spec: expected a map with experiment, model, task and arms, got nothing"},
      {with("trainng: {batch: 8}"), "s.yaml:6:1: unknown key \"trainng\"\n  hint: did you mean \"training\"?"},
      {with("lr: 5"),
       "s.yaml:6:1: unknown key \"lr\"\n  hint: one of experiment, extends, model, task, training, arms, head, seeds, "
       "grid, zip, when, exclude, sample, names, "
       "compare, keep, resume, log, plugins"},
      {with("task: {name: cola}"),
       "s.yaml:6:1: key \"task\": expected once in a map, got a second time\n  hint: remove one of the two"},
      {"model: {shape: tiny}\ntask: {name: cola}\narms: {a: {use: x}}",
       "s.yaml:1:1: experiment: expected a name, got nothing\n  hint: experiment: my_question"},
      {"experiment: e\ntask: {name: cola}\narms: {a: {use: x}}",
       "s.yaml:1:1: model: expected a map, got nothing\n  hint: model: {shape: tiny, vocabulary: vocab.txt} or "
       "{checkpoint: FOLDER}"},
      {"experiment: e\nmodel: {shape: tiny}\narms: {a: {use: x}}",
       "s.yaml:1:1: task: expected a map, got nothing\n  hint: task: {name: mrpc, data: FOLDER}"},
      {"experiment: e\nmodel: {shape: tiny}\ntask: {name: cola}",
       "s.yaml:1:1: arms: expected a map from names to rules, got nothing\n  hint: arms: {random: [{use: "
       "truncated_normal, stddev: 0.02}]}"},
      {"experiment: a b\n" + kSmall.substr(18),
       "s.yaml:1:13: experiment: expected a name of letters digits _ -, at most 100 bytes, got \"a b\""},
      {"experiment: ../x\n" + kSmall.substr(18),
       "s.yaml:1:13: experiment: expected a name of letters digits _ -, at most 100 bytes, got \"../x\""},
      {"experiment: [a]\n" + kSmall.substr(18), "s.yaml:1:13: experiment: expected text, got a list"},
      {"experiment: ''\n" + kSmall.substr(18), "s.yaml:1:13: experiment: expected text, got \"\""},
      {with("extends: none.yaml"),
       "s.yaml:6:10: extends: expected a spec file, got none.yaml: cannot be read: got No such file or directory\n"
       "  hint: the path is relative to this file"},
      {with("plugins: x.so"),
       "s.yaml:6:10: plugins: expected a list of plugin files, got \"x.so\"\n  hint: plugins: "
       "[../build/plugins/mine.so]"},
      {with("plugins: [[x.so]]"), "s.yaml:6:11: plugins[0]: expected text, got a list"},
      {with("keep: final"), "s.yaml:6:7: keep: expected a map, got \"final\"\n  hint: keep: {weights: final}"},
      {with("keep: {weight: final}"), "s.yaml:6:8: unknown key \"keep.weight\"\n  hint: did you mean \"weights\"?"},
      {with("keep: {weights: finl}"),
       "s.yaml:6:17: keep.weights: expected one of initial, final, got \"finl\"\n  hint: did you mean \"final\"?"},
      {with("keep: {weights: [final, final]}"),
       "s.yaml:6:17: keep.weights: expected each of initial and final once, got one of them twice"},
      {with("keep: {weights: []}"), "s.yaml:6:17: keep.weights: expected one of initial, final, got an empty list"},
      {with("log: off"), "s.yaml:6:6: log: expected a map, got \"off\""},
      {with("log: {diagnostics: all}"), "s.yaml:6:20: log.diagnostics: expected one of log2, off, got \"all\""},
      {with("log: {diagnostic: off}"),
       "s.yaml:6:7: unknown key \"log.diagnostic\"\n  hint: did you mean \"diagnostics\"?"},
      {with("head: \"${INITLAB_TEST_UNSET}\""),
       "s.yaml:6:7: variable \"INITLAB_TEST_UNSET\": expected a value in the environment, got none\n  hint: export "
       "INITLAB_TEST_UNSET=..."},
      {with("head: \"${A B}\""),
       "s.yaml:6:7: expected a variable as in \"${INITLAB_DATA}/MRPC\", got \"${A B}\"\n  hint: for a literal \"${\" "
       "write \"$${\""},
      {with("head: \"${A\""),
       "s.yaml:6:7: expected a variable as in \"${INITLAB_DATA}/MRPC\", got \"${A\"\n  hint: for a literal \"${\" "
       "write \"$${\""},
  });
}

TEST(Errors, Scalars) {
  const std::string integer = "s.yaml:6:19: training.batch: expected an integer from 1 to 1048576, got ";
  const std::string digits = "\n  hint: write it in digits only";
  const auto batch = [](const std::string& value) { return with("training: {batch: " + value + "}"); };
  const std::vector<std::pair<std::string, std::string>> integers = {
      {"fast", "\"fast\""},
      {"010", "\"010\""},
      {"0x10", "\"0x10\""},
      {"twelve", "\"twelve\""},
      {"3.0", "\"3.0\"" + digits},
      {"1e2", "\"1e2\"" + digits},
      {"1_000", "\"1_000\""},
      {"+5", "\"+5\""},
      {"5 6", "\"5 6\""},
      {"\"5\"", "the text \"5\"\n  hint: remove the quotes"},
      {"true", "\"true\""},
      {"~", "nothing"},
      {"", "nothing"},
      {"[5]", "a list"},
      {"{a: 5}", "a map"},
      {"0", "\"0\""},
      {"-1", "\"-1\""},
      {"1048577", "\"1048577\""},
      {"99999999999999999999", "\"99999999999999999999\"" + digits},
      {std::string(200, '7'), "\"" + std::string(80, '7') + "...\"" + digits},
  };
  for (const auto& [value, got] : integers) EXPECT_EQ(error_of([&] { from(batch(value)); }), integer + got) << value;

  const std::string number = "s.yaml:6:18: training.clip: expected a number of at least 0, got ";
  const std::vector<std::pair<std::string, std::string>> numbers = {
      {".inf", "\".inf\""},   {".nan", "\".nan\""},
      {"inf", "\"inf\""},     {"nan", "\"nan\""},
      {"1e999", "\"1e999\""}, {"01.5", "\"01.5\""},
      {"1.5x", "\"1.5x\""},   {"0x1p3", "\"0x1p3\""},
      {"-0.5", "\"-0.5\""},   {"'1.5'", "the text \"1.5\"\n  hint: remove the quotes"},
  };
  for (const auto& [value, got] : numbers) {
    EXPECT_EQ(error_of([&] { from(with("training: {clip: " + value + "}")); }), number + got) << value;
  }

  const std::string boolean = "s.yaml:2:33: model.cased: expected true or false, got ";
  const std::string words = "\n  hint: yes, no, on, off and quoted words are text";
  const std::vector<std::pair<std::string, std::string>> booleans = {
      {"yes", "\"yes\"" + words},
      {"off", "\"off\"" + words},
      {"True", "\"True\"" + words},
      {"1", "\"1\"" + words},
      {"'true'", "the text \"true\"" + words},
      {"[]", "a list"},
  };
  for (const auto& [value, got] : booleans)
    EXPECT_EQ(error_of([&] { from(model("{shape: tiny,     cased: " + value + "}")); }), boolean + got) << value;
}

TEST(Errors, Training) {
  expect_all({
      {with("training: fast"), "s.yaml:6:11: training: expected a map, got \"fast\""},
      {with("training: {batchsize: 8}"),
       "s.yaml:6:12: unknown key \"training.batchsize\"\n  hint: one of epochs, steps, seconds, batch, "
       "accumulate, max_length, optimizer, schedule, dropout, attention_dropout, clip, freeze, learning_rates, "
       "layer_decay, "
       "mixout, mixout_unit, evaluate, stop, precision, without"},
      {with("training: {bathc: 8}"), "s.yaml:6:12: unknown key \"training.bathc\"\n  hint: did you mean \"batch\"?"},
      {with("training: {clip: 1,5}"),
       "s.yaml:6:20: unknown key \"training.5\"\n  hint: one of epochs, steps, seconds, batch, accumulate, "
       "max_length, optimizer, schedule, dropout, attention_dropout, clip, freeze, learning_rates, layer_decay, "
       "mixout, mixout_unit, evaluate, stop, precision, without"},
      {with("training: {optimizer: adamw}"), "s.yaml:6:23: training.optimizer: expected a map, got \"adamw\""},
      {with("training: {optimizer: {lr: 1e-3}}"),
       "s.yaml:6:24: unknown key \"training.optimizer.lr\"\n  hint: one of name, learning_rate, "
       "beta1, beta2, epsilon, weight_decay, weight_decay_to"},
      {with("training: {optimizer: {name: adam}}"),
       "s.yaml:6:30: training.optimizer.name: expected one of adamw, bert_adam, got \"adam\"\n  hint: did you mean "
       "\"adamw\"?"},
      {with("training: {optimizer: {beta1: 1}}"),
       "s.yaml:6:31: training.optimizer.beta1: expected a number from 0 to below 1, got \"1\""},
      {with("training: {schedule: {warmup: -0.1}}"),
       "s.yaml:6:31: training.schedule.warmup: expected a number from 0 to below 1, got \"-0.1\""},
      {with("training: {seconds: 0}"), "s.yaml:6:21: training.seconds: expected a number above 0, got \"0\""},
      {with("training: {dropout: 1}"), "s.yaml:6:21: training.dropout: expected a number from 0 to below 1, got \"1\""},
      {with("training: {precision: f16}"),
       "s.yaml:6:23: training.precision: expected one of f32, bf16, got \"f16\"\n  hint: did you mean \"bf16\"?"},
      {with("training: {without: [streamed_los]}"),
       "s.yaml:6:22: training.without[0]: expected one of last_layer_rows, streamed_loss, lazy_embeddings, "
       "packed_weights, huge_pages, vector_kernels, got \"streamed_los\"\n  hint: did you mean "
       "\"streamed_loss\"?"},
      {with("training: {layer_decay: 0}"),
       "s.yaml:6:25: training.layer_decay: expected a number above 0 to 1, got \"0\""},
      {with("training: {mixout: 1}"), "s.yaml:6:20: training.mixout: expected a number from 0 to below 1, got \"1\""},
      {with("training: {mixout_unit: row}"),
       "s.yaml:6:25: training.mixout_unit: expected one of weight, neuron, got \"row\""},
      {with("training: {freeze: [head, []]}"), "s.yaml:6:27: training.freeze[1]: expected text, got a list"},
      {with("training: {freeze: {head: 1}}"), "s.yaml:6:20: training.freeze: expected text, got a map"},
      {with("training: {learning_rates: {haed: 1}}"),
       "s.yaml:6:29: unknown key \"training.learning_rates.haed\"\n  hint: did you mean \"head\"?"},
      {with("training: {learning_rates: {head: -1}}"),
       "s.yaml:6:35: training.learning_rates.head: expected a number of at least 0, got \"-1\""},
      {with("training: {optimizer: {weight_decay_to: pretrained}}"),
       "s.yaml:6:41: training.optimizer.weight_decay_to: expected one of zero, initial, got \"pretrained\""},
      {with("training: {evaluate: {every: 0}}"),
       "s.yaml:6:30: training.evaluate.every: expected an integer of at least 1, got \"0\""},
      {with("training: {epochs: 3, steps: 5}"),
       "s.yaml:6:30: training.steps: expected only one of epochs, steps and seconds, got epochs and steps\n  hint: "
       "remove one of them"},
      {with("training: {batch: 4, accumulate: 8}"),
       "s.yaml:6:34: training.accumulate: expected at most the batch (4), got \"8\"\n  hint: a micro-batch needs at "
       "least one sequence"},
  });
}

TEST(Errors, ModelAndTask) {
  expect_all({
      {model("tiny"),
       "s.yaml:2:8: model: expected a map, got \"tiny\"\n  hint: model: {shape: tiny, vocabulary: vocab.txt} or "
       "{checkpoint: FOLDER}"},
      {model("{}"),
       "s.yaml:2:8: model: expected one of checkpoint, shape, or layers with hidden and heads, got none\n  hint: "
       "model: {shape: tiny}"},
      {model("{layers: 2, hidden: 8}"),
       "s.yaml:2:8: model: expected one of checkpoint, shape, or layers with hidden and heads, got no heads\n  hint: "
       "model: {shape: tiny}"},
      {model("{layers: 2, hidden: 9, heads: 2}"),
       "s.yaml:2:28: model.hidden: expected a multiple of model.heads (2), got \"9\""},
      {model("{shape: tiny, layers: 2}"),
       "s.yaml:2:30: model.layers: expected no such key beside model.shape, got \"2\"\n  hint: write either a shape, "
       "or layers, hidden and heads"},
      {model("{shape: tiyn}"),
       "s.yaml:2:16: model.shape: expected one of micro, tiny, mini, small, medium, minilm, base, got \"tiyn\"\n"
       "  hint: did you mean \"tiny\"?"},
      {model("{checkpoint: x, shape: tiny}"),
       "s.yaml:2:24: model.shape: expected no such key beside model.checkpoint, got \"tiny\"\n"
       "  hint: a checkpoint brings its shape and vocabulary; only pooling, cased, layers, hidden, heads, "
       "intermediate, norm and residual_scale may stand beside it"},
      {model("{checkpoint: x, vocabulary: /v}"),
       "s.yaml:2:24: model.vocabulary: expected no such key beside model.checkpoint, got \"/v\"\n"
       "  hint: a checkpoint brings its shape and vocabulary; only pooling, cased, layers, hidden, heads, "
       "intermediate, norm and residual_scale may stand beside it"},
      {model("{chekpoint: x}"), "s.yaml:2:9: unknown key \"model.chekpoint\"\n  hint: did you mean \"checkpoint\"?"},
      {model("{checkpoint: [x]}"),
       "s.yaml:2:21: model.checkpoint: expected a folder or {experiment: FILE}, got a list"},
      {model("{checkpoint: ''}"), "s.yaml:2:21: model.checkpoint: expected text, got \"\""},
      {model("{checkpoint: {set: {a: 1}}}"),
       "s.yaml:2:21: model.checkpoint.experiment: expected the path of a spec file, got nothing\n  hint: {experiment: "
       "pretrain.yaml}"},
      {model("{checkpoint: {experiment: x, st: 1}}"),
       "s.yaml:2:37: unknown key \"model.checkpoint.st\"\n  hint: did you mean \"set\"?"},
      {model("{checkpoint: {experiment: x, replicates: 0}}"),
       "s.yaml:2:49: model.checkpoint.replicates: expected an integer from 1 to 10000, got \"0\""},
      {model("{checkpoint: {experiment: x, replicates: 2}}"),
       "s.yaml:2:21: model.checkpoint.replicates: expected at most the 1 of seeds.replicates, got 2\n"
       "  hint: each replicate starts from one pre-trained model"},
      {model("{checkpoint: {experiment: x, replicates: 1, set: {seeds.replicates: 2}}}"),
       "s.yaml:2:49: model.checkpoint.set.seeds.replicates: expected no replicates beside "
       "model.checkpoint.replicates, got \"2\"\n  hint: write them once"},
      {model("{checkpoint: {experiment: x, set: 1}}"),
       "s.yaml:2:42: model.checkpoint.set: expected a map, got \"1\"\n  hint: {path: value}, as --set"},
      {model("{shape: tiny, activation: relu}"),
       "s.yaml:2:34: model.activation: expected one of gelu, gelu_new, got \"relu\"\n  hint: did you mean \"gelu\"?"},
      {model("{shape: tiny, layer_norm_epsilon: 0}"),
       "s.yaml:2:42: model.layer_norm_epsilon: expected a number above 0, got \"0\""},
      {model("{shape: tiny, norm: pre}"), "s.yaml:2:28: model.norm: expected one of post, none, got \"pre\""},
      {model("{shape: tiny, residual_scale: 0}"),
       "s.yaml:2:38: model.residual_scale: expected a number above 0, deepnorm or trained, got \"0\""},
      {model("{shape: tiny, residual_scale: deep}"),
       "s.yaml:2:38: model.residual_scale: expected a number above 0, deepnorm or trained, got \"deep\""},
      {task("cola"), "s.yaml:2:7: task: expected a map, got \"cola\""},
      {task("{data: x}"),
       "s.yaml:2:7: task.name: expected the name of a task, got nothing\n  hint: task: {name: mrpc, data: FOLDER}"},
      {task("{name: [cola]}"), "s.yaml:2:14: task.name: expected text, got a list"},
      {task("{name: cola, trainsize: 5}"),
       "s.yaml:2:20: unknown key \"task.trainsize\"\n  hint: did you mean \"train_size\"?"},
      {task("{name: cola, train_size: 0}"),
       "s.yaml:2:32: task.train_size: expected an integer of at least 1, got \"0\""},
      {task("{name: mlm, mask_probability: 0}"),
       "s.yaml:2:37: task.mask_probability: expected a number above 0 to 1, got \"0\""},
  });
}

TEST(Errors, ArmsAndRules) {
  expect_all({
      {arms("{}"),
       "s.yaml:2:7: arms: expected at least one arm, got an empty map\n  hint: arms: {random: [{use: truncated_normal, "
       "stddev: 0.02}]}"},
      {arms("[a]"),
       "s.yaml:2:7: arms: expected a map, got a list\n  hint: arms: {random: [{use: truncated_normal, stddev: 0.02}]}"},
      {arms("{a b: {use: x}}"),
       "s.yaml:2:8: arms: expected a name of letters digits _ . -, at most 100 bytes, got \"a b\""},
      {arms("{constant_class: {use: zero}}"),
       "s.yaml:2:8: arms: expected another name for an arm, got \"constant_class\"\n  hint: in compare.claims it means "
       "the score of always giving the most frequent label"},
      {arms("{a: ~}"),
       "s.yaml:2:11: arms.a: expected a rule, a list of rules, or a map with init and training, got nothing\n"
       "  hint: [{use: truncated_normal}]"},
      {arms("{a: zero}"),
       "s.yaml:2:11: arms.a: expected a rule, a list of rules, or a map with init and training, got \"zero\"\n"
       "  hint: [{use: truncated_normal}]"},
      {arms("{a: []}"),
       "s.yaml:2:11: arms.a: expected at least one rule, got an empty list\n  hint: [{use: bert_default}]"},
      {arms("{a: [zero]}"),
       "s.yaml:2:12: arms.a[0]: expected a map, got \"zero\"\n  hint: a rule is a map: {use: truncated_normal, stddev: "
       "0.02}"},
      {arms("{a: {}}"),
       "s.yaml:2:11: arms.a.use: expected the name of a strategy, got nothing\n"
       "  hint: {use: truncated_normal, stddev: 0.02}; `initlab plugins` lists them"},
      {arms("{a: [{use: x}, {stddev: 1}]}"),
       "s.yaml:2:22: arms.a[1].use: expected the name of a strategy, got nothing\n"
       "  hint: {use: truncated_normal, stddev: 0.02}; `initlab plugins` lists them"},
      {arms("{a: {use: ''}}"), "s.yaml:2:17: arms.a.use: expected text, got \"\""},
      {arms("{a: {use: [x]}}"), "s.yaml:2:17: arms.a.use: expected text, got a list"},
      {arms("{a: {use: x, role: matirx}}"),
       "s.yaml:2:26: arms.a.role: expected one of matrix, embedding, bias, norm_scale, norm_shift, residual_scale, got "
       "\"matirx\"\n"
       "  hint: did you mean \"matrix\"?"},
      {arms("{a: {use: x, role: []}}"),
       "s.yaml:2:26: arms.a.role: expected one of matrix, embedding, bias, norm_scale, norm_shift, residual_scale, got "
       "an empty list"},
      {arms("{a: {use: x, part: norm}}"),
       "s.yaml:2:26: arms.a.part: expected one of embeddings, attention, ffn, norms, pooler, head, got \"norm\"\n"
       "  hint: did you mean \"norms\"?"},
      {arms("{a: {use: x, part: [ffn, 3]}}"),
       "s.yaml:2:32: arms.a.part: expected one of embeddings, attention, ffn, norms, pooler, head, got \"3\""},
      {arms("{a: {use: x, layers: 2-3}}"),
       "s.yaml:2:28: arms.a.layers: expected layers as 3, 3..5, top(2) or bottom(2), got \"2-3\"\n  hint: layers count "
       "from 0"},
      {arms("{a: {use: x, layers: 5..3}}"),
       "s.yaml:2:28: arms.a.layers: expected layers as 3, 3..5, top(2) or bottom(2), got \"5..3\"\n  hint: layers "
       "count from 0"},
      {arms("{a: {use: x, layers: [1, 2]}}"),
       "s.yaml:2:28: arms.a.layers: expected layers as 3, 3..5, top(2) or bottom(2), got a list"},
      {arms("{a: {use: x, stddev: [1]}}"),
       "s.yaml:2:28: arms.a.stddev: expected one value (an option of the strategy), got a list"},
      {arms("{a: {use: x, stddev: }}"),
       "s.yaml:2:28: arms.a.stddev: expected one value (an option of the strategy), got nothing"},
      {arms("{a: {init: {use: x}, use: y}}"), "s.yaml:2:28: unknown key \"arms.a.use\"\n  hint: one of init, training"},
      {arms("{a: {training: {batch: 8}}}"),
       "s.yaml:2:11: arms.a.init: expected a list of rules, got nothing\n  hint: init: [{use: truncated_normal}]"},
      {arms("{a: {init: {use: x}, training: {bacth: 8}}}"),
       "s.yaml:2:39: unknown key \"arms.a.training.bacth\"\n  hint: did you mean \"batch\"?"},
      {arms("{a: {init: {use: x}, training: {batch: no}}}"),
       "s.yaml:2:46: arms.a.training.batch: expected an integer from 1 to 1048576, got \"no\""},
      {arms("{a: {init: {use: x}, training: 5}}"), "s.yaml:2:38: arms.a.training: expected a map, got \"5\""},
      {with("head: zero"),
       "s.yaml:6:7: head: expected a map, got \"zero\"\n  hint: a rule is a map: {use: truncated_normal, stddev: "
       "0.02}"},
      {with("head: []"),
       "s.yaml:6:7: head: expected at least one rule, got an empty list\n  hint: [{use: bert_default}]"},
  });
}

TEST(Errors, Tune) {
  const std::string rates =
      "s.yaml:6:34: training.tune.learning_rate: expected at least two rates to choose from, got ";
  const std::string hint = "\n  hint: tune: {learning_rate: [3e-5, 1e-4, 3e-4]}";
  const auto tune = [](const std::string& value) { return with("training: {tune: {learning_rate: " + value + "}}"); };
  const auto beside = [](const std::string& more) {
    return with("training: {tune: {learning_rate: [1, 2]}" + more + "}");
  };
  const std::string own =
      "experiment: e\nmodel: {shape: tiny}\ntask: {name: cola}\ntraining: {tune: {learning_rate: [1, "
      "2]}}\narms:\n  a: {use: zero}\n  b: {init: {use: zero}, training: ";
  expect_all({
      {tune("[]"), (rates + "none" + hint)},
      {tune("[1e-3]"), (rates + "one" + hint)},
      {tune("1e-3"), (rates + "one" + hint)},
      {tune("[1e-3, -1]"), "s.yaml:6:41: training.tune.learning_rate[1]: expected a number above 0, got \"-1\""},
      {tune("[1e-3, 0]"), "s.yaml:6:41: training.tune.learning_rate[1]: expected a number above 0, got \"0\""},
      {tune("[1e-3, 2, 0.001]"),
       "s.yaml:6:44: training.tune.learning_rate: expected different rates, got \"0.001\" a second time"},
      {with("training: {tune: 5}"), ("s.yaml:6:18: training.tune: expected a map, got \"5\"" + hint)},
      {with("training: {tune: {}}"),
       ("s.yaml:6:18: training.tune.learning_rate: expected at least two rates to choose from, got none" + hint)},
      {with("training: {tune: {learning_rate: [1, 2], budget: more}}"),
       "s.yaml:6:50: training.tune.budget: expected one of equal, got \"more\""},
      {with("training: {tune: {learning_rate: [1, 2], share: 0.6}}"),
       "s.yaml:6:49: training.tune.share: expected a number above 0 to 0.5, got \"0.6\""},
      {with("training: {tune: {learning_rate: [1, 2], share: 0}}"),
       "s.yaml:6:49: training.tune.share: expected a number above 0 to 0.5, got \"0\""},
      {with("training: {tune: {learning_rate: [1, 2], replicates: 0}}"),
       "s.yaml:6:54: training.tune.replicates: expected an integer from 1 to 100, got \"0\""},
      {with("training: {tune: {learning_rates: [1, 2]}}"),
       "s.yaml:6:19: unknown key \"training.tune.learning_rates\"\n  hint: did you mean \"learning_rate\"?"},
      {beside(", seconds: 5"),
       "s.yaml:6:11: training.seconds: expected epochs or steps beside training.tune, got 5\n  hint: equal time is not "
       "an "
       "equal number of steps"},
      {beside("") + "grid: {training.optimizer.learning_rate: [1, 2]}\n",
       "s.yaml:7:8: grid path \"training.optimizer.learning_rate\": expected no learning rate beside training.tune, "
       "got "
       "\"training.optimizer.learning_rate\"\n  hint: either the grid varies it, or each arm chooses it"},
      {beside("") + "grid: {training.tune.share: [0.1, 0.2]}\n",
       "s.yaml:7:8: grid path \"training.tune.share\": expected no learning rate beside training.tune, got "
       "\"training.tune.share\"\n  hint: either the grid varies it, or each arm chooses it"},
      {own + "{optimizer: {learning_rate: 3}}}\n",
       "s.yaml:7:64: arms.b.training.optimizer.learning_rate: expected no learning rate of an arm's own beside "
       "training.tune, got \"3\"\n  hint: every arm chooses its rate from training.tune.learning_rate"},
      {own + "{steps: 3}}\n",
       "s.yaml:7:36: arms.b.training: expected the epochs or steps and the batch of the other arms, got others, beside "
       "training.tune with budget: equal\n  hint: give them in the spec's training"},
      {own + "{tune: {learning_rate: [1, 2]}}}\n",
       "s.yaml:7:43: arms.b.training.tune: expected no tune of an arm's own, got a map\n  hint: it stands once, in the "
       "spec's training, and every arm tries the same rates"},
  });
}

TEST(Errors, Claims) {
  // A claim begins in line 7, column 20.
  const auto claim = [](const std::string& text, const std::string& more = "") {
    return kSmall + "  one: {use: one}\ncompare: {claims: [" + text + "]" + more + "}\n";
  };
  const std::string hint =
      "\n  hint: {better: pretrained, than: random}, {equal: random, to: constant_class, margin: 0.02}, or {order: "
      "[pretrained, top_again, random]}";
  expect_all({
      {claim("{}"), "s.yaml:7:20: compare.claims[0]: expected one of equal, better and order, got a map" + hint},
      {claim("{better: one, than: zero}, {margin: 1}"),
       "s.yaml:7:47: compare.claims[1]: expected one of equal, better and order, got a map" + hint},
      {claim("{better: one, order: [one, zero]}"),
       "s.yaml:7:20: compare.claims[0]: expected one of equal, better and order, got a map" + hint},
      {claim("{best: one}"),
       "s.yaml:7:21: unknown key \"compare.claims[0].best\"\n  hint: one of equal, to, margin, better, than, order"},
      {claim("{better: one}"), "s.yaml:7:20: compare.claims[0].than: expected an arm, or constant_class, got nothing"},
      {claim("{better: oen, than: zero}"),
       "s.yaml:7:29: compare.claims[0].better: expected the name of an arm, got \"oen\"\n  hint: did you mean "
       "\"one\"?"},
      {claim("{better: one, than: constant_clas}"),
       "s.yaml:7:40: compare.claims[0].than: expected an arm, or constant_class, got \"constant_clas\"\n  hint: did "
       "you "
       "mean \"constant_class\"?"},
      {claim("{better: one, than: one}"),
       "s.yaml:7:40: compare.claims[0].than: expected another arm than compare.claims[0].better, got \"one\""},
      {claim("{better: one, than: zero, margin: 0.1}"),
       "s.yaml:7:46: unknown key \"compare.claims[0].margin\"\n  hint: one of better, than"},
      {claim("{equal: one, to: zero, margin: -0.1}"),
       "s.yaml:7:51: compare.claims[0].margin: expected a number above 0, got \"-0.1\""},
      {claim("{equal: one, to: zero}"),
       "s.yaml:7:20: compare.claims[0].margin: expected the largest difference that counts as none, got nothing\n  "
       "hint: "
       "without a margin nothing can be shown to be equal"},
      {claim("{order: [one]}"),
       "s.yaml:7:28: compare.claims[0].order: expected two arms or more, best first, got a list\n  hint: order: "
       "[pretrained, top_again, random]"},
      {claim("{order: [one, two]}"),
       "s.yaml:7:34: compare.claims[0].order[1]: expected an arm, or constant_class, got \"two\"\n  hint: one of zero, "
       "one, constant_class"},
      {claim("{order: [one, zero, one]}"),
       "s.yaml:7:40: compare.claims[0].order[2]: expected each arm once, got \"one\""},
      {claim("{better: one, than: zero}", ", at: best"),
       "s.yaml:7:52: compare.at: expected last or step:N beside claims, got \"best\"\n  hint: the best evaluation is "
       "chosen on the data that the claims are judged on"},
      {claim("", ", anchors: [{text: x, value: 1}]"),
       "s.yaml:7:33: compare.anchors[0].source: expected text, value and source, got nothing\n  hint: {text: random "
       "normal, value: 0.683, source: \"Kovaleva et al. 2019, Table 1\"}"},
      {claim("", ", anchors: [{text: x, value: 1, source: y, arm: oen}]"),
       "s.yaml:7:69: compare.anchors[0].arm: expected an arm, or constant_class, got \"oen\"\n  hint: did you mean "
       "\"one\"?"},
      {with("compare: {planned_seeds: 1}"),
       "s.yaml:6:26: compare.planned_seeds: expected an integer of at least 2, got \"1\""},
  });
}

TEST(Errors, SeedsGridCompare) {
  expect_all({
      {with("seeds: 5"), "s.yaml:6:8: seeds: expected a map, got \"5\""},
      {with("seeds: {replicates: 0}"), "s.yaml:6:21: seeds.replicates: expected an integer from 1 to 10000, got \"0\""},
      {with("seeds: {base: -1}"), "s.yaml:6:15: seeds.base: expected an integer of at least 0, got \"-1\""},
      {with("seeds: {inti: 3}"), "s.yaml:6:9: unknown key \"seeds.inti\"\n  hint: did you mean \"init\"?"},
      {with("compare: {baseline: zerro}"),
       "s.yaml:6:21: compare.baseline: expected the name of an arm, got \"zerro\"\n  hint: did you mean \"zero\"?"},
      {with("compare: {better: more}"), "s.yaml:6:19: compare.better: expected one of higher, lower, got \"more\""},
      {with("compare: {at: first}"), "s.yaml:6:15: compare.at: expected last, best or step:N, got \"first\""},
      {with("compare: {at: step:x}"), "s.yaml:6:15: compare.at: expected last, best or step:N, got \"step:x\""},
      {with("compare: {gain: {to: zero}}"),
       "s.yaml:6:17: compare.gain.from: expected the name of an arm, got nothing\n  hint: gain: {from: random, to: "
       "pretrained}"},
      {with("compare: {gain: {from: zero, to: zerro}}"),
       "s.yaml:6:34: compare.gain.to: expected the name of an arm, got \"zerro\"\n  hint: did you mean \"zero\"?"},
      {with("compare: {gain: {from: zero, to: zero}}"),
       "s.yaml:6:34: compare.gain.to: expected another arm than compare.gain.from, got \"zero\""},
      {with("compare: {gain: zero}"), "s.yaml:6:17: compare.gain: expected a map, got \"zero\""},
      {with("compare: {threshold: high}"), "s.yaml:6:22: compare.threshold: expected a number, got \"high\""},
      {with("grid: [1]"),
       "s.yaml:6:7: grid: expected a map, got a list\n  hint: grid: {training.optimizer.learning_rate: [2e-5, 5e-5]}"},
      {with("grid: {training.batch: 8}"),
       "s.yaml:6:24: grid.training.batch: expected a list of values, got \"8\"\n  hint: [2e-5, 5e-5]"},
      {with("grid: {training.batch: []}"),
       "s.yaml:6:24: grid.training.batch: expected at least one value, got an empty list"},
      {with("grid: {training.batch: [[8]]}"),
       "s.yaml:6:25: grid.training.batch: expected one value, got a list\n  hint: an axis varies numbers and words, "
       "not lists or maps"},
      {with("grid: {training.dropout: [0.1, 1e-1]}"),
       "s.yaml:6:32: grid.training.dropout: expected different values, got \"1e-1\" a second time"},
      {with("grid: {training.batch: [8, fast]}"),
       "s.yaml:6:28: training.batch: expected an integer from 1 to 1048576, got \"fast\""},
      {with("grid: {training.bathc: [8]}"),
       "s.yaml:6:8: unknown key \"training.bathc\"\n  hint: did you mean \"batch\"?"},
      {with("grid: {training.batch.size: [8]}"),
       "s.yaml:6:8: training.batch: expected an integer from 1 to 1048576, got a map"},
      {with("grid: {training: [8]}"),
       "s.yaml:6:8: grid path \"training\": expected a value of training, got all of it\n  hint: name one: "
       "training.batch"},
      {with("grid: {seeds.base: [8]}"),
       "s.yaml:6:8: grid path \"seeds.base\": expected a value of model, task, training, head or arms, got "
       "\"seeds.base\"\n"
       "  hint: one of model, task, training, head, arms"},
      {with("grid: {learning_rate: [8]}"),
       "s.yaml:6:8: grid path \"learning_rate\": expected a value of model, task, training, head or arms, got "
       "\"learning_rate\"\n"
       "  hint: one of model, task, training, head, arms"},
      {with("grid: {\"arms.zro[0].use\": [x]}"),
       "s.yaml:6:8: grid path \"arms.zro[0].use\": expected the name of an arm, got \"zro\"\n"
       "  hint: did you mean \"zero\"?"},
      {with("grid: {arms.zero.use: [x]}"),
       "s.yaml:6:8: path \"arms.zero.use\": expected a map at \"arms.zero\", got a list\n"
       "  hint: list items are addressed by number: arms.zero[0]"},
      {with("grid: {\"arms.zero[1].use\": [x]}"),
       "s.yaml:6:8: path \"arms.zero[1].use\": expected an index below 1 at \"arms.zero\", got 1\n"
       "  hint: list items count from 0"},
      {with("grid: {\"arms.zero[x].use\": [x]}"),
       "s.yaml:6:8: path \"arms.zero[x].use\": expected names with dots between and [N] for list items, got no list "
       "index\n"
       "  hint: list items count from 0: arms.pretrained[0]"},
      {with("grid: {training..batch: [8]}"),
       "s.yaml:6:8: path \"training..batch\": expected names with dots between and [N] for list items, got an empty "
       "name"},
      {with("grid: {training.optimizer.name: [adamw], training.optimizer: [x]}"),
       "s.yaml:6:42: grid path \"training.optimizer\": expected axes that change different values, got "
       "\"training.optimizer.name\" as well"},
      {with("seeds: {replicates: 1000}\ngrid: {training.batch: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], "
            "training.max_length: [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}"),
       "s.yaml:1:1: arms x replicates x grid: expected at most 100000 runs, got more\n  hint: split the experiment"},
      {with("seeds: {replicates: 10000}\nhead: {use: x, note: " + std::string(60'000, 'x') + "}"),
       "s.yaml:1:1: arms x replicates x grid: expected runs times spec size of at most 64 MiB, got 10000 runs of "
       "60184 bytes\n"
       "  hint: split the experiment"},
  });
}

TEST(Errors, OneArmsAxisUnderTheWholeSpecs) {
  const std::string text =
      "experiment: e\nmodel: {shape: tiny}\ntask: {name: cola}\narms: {a: {init: {use: x}}, b: {init: {use: x}}}\n";
  EXPECT_EQ(error_of([&] { from(text + "grid: {training.batch: [1, 2], arms.a.training.batch: [3, 4]}"); }),
            "s.yaml:5:32: grid path \"arms.a.training.batch\": expected axes that change different values, got "
            "\"training.batch\" as well");
  EXPECT_EQ(from(text + "grid: {arms.b.training.batch: [1, 2], arms.a.training.batch: [3, 4]}").plans.size(), 8u);
}

TEST(Errors, Overrides) {
  const auto with_set = [](const std::string& path, const std::string& value, const std::string& more = "") {
    return error_of([&] { from(kSmall + more, {{path, value}}); });
  };
  EXPECT_EQ(with_set("training.bathc", "8"),
            "--set training.bathc: unknown key \"training.bathc\"\n  hint: did you mean \"batch\"?");
  EXPECT_EQ(with_set("trainin.batch", "8"),
            "--set trainin.batch: unknown key \"trainin\"\n  hint: did you mean \"training\"?");
  EXPECT_EQ(with_set("training.batch", "fast"),
            "--set training.batch: training.batch: expected an integer from 1 to 1048576, got \"fast\"");
  EXPECT_EQ(with_set("training.batch", "[1"), "--set training.batch: not YAML: end of sequence flow not found");
  EXPECT_EQ(with_set("training.batch", "~"),
            "--set training.batch: path \"training.batch\": expected a value that can be removed, got nothing\n  hint: "
            "~ removes a value");
  EXPECT_EQ(with_set("arms.zero.stddev", "1"),
            "--set arms.zero.stddev: path \"arms.zero.stddev\": expected a map at \"arms.zero\", got a list\n"
            "  hint: list items are addressed by number: arms.zero[0]");
  EXPECT_EQ(with_set("task.name.x", "1"),
            "--set task.name.x: path \"task.name.x\": expected a map at \"task.name\", got \"sentiment\"");
  EXPECT_EQ(with_set("task[0]", "1"), "--set task[0]: path \"task[0]\": expected a list at \"task\", got a map");
  EXPECT_EQ(with_set("extends", "x.yaml"),
            "--set extends: path \"extends\": expected a path of the composed spec, got the key that composes it\n"
            "  hint: extends: stands in a file");
  EXPECT_EQ(
      with_set("training.batch", "8", "grid: {training.batch: [1, 2]}\n"),
      "--set training.batch: path \"training.batch\": expected a value that the grid does not vary, got an axis of the "
      "grid at "
      "s.yaml:6:8\n  hint: --set grid.training.batch=[...] changes the axis, --set grid.training.batch=~ removes it");
  EXPECT_EQ(with_set("task.data", "${INITLAB_TEST_UNSET}/x"),
            "--set task.data: variable \"INITLAB_TEST_UNSET\": expected a value in the environment, got none\n"
            "  hint: export INITLAB_TEST_UNSET=...");
  EXPECT_EQ(error_of([] { parse_override("training.batch"); }),
            "--set: expected path=value, got \"training.batch\"\n  hint: --set training.batch=16");
  EXPECT_EQ(error_of([] { parse_override("=5"); }),
            "--set: expected path=value, got \"=5\"\n  hint: --set training.batch=16");
}

TEST(Errors, Files) {
  const Folder folder;
  EXPECT_EQ(error_of([&] { read(folder.path() / "none.yaml", {}, {}); }),
            (folder.path() / "none.yaml").string() + ": cannot be read: got No such file or directory");
  EXPECT_EQ(error_of([&] { read(folder.path(), {}, {}); }),
            folder.path().string() + ": expected a file, got something else (a folder or device)");
  const auto large = folder.write("large.yaml", std::string((1 << 20) + 1, '#'));
  EXPECT_EQ(error_of([&] { read(large, {}, {}); }),
            large.string() + ": size: expected at most 1048576 bytes, got 1048577");
}

}  // namespace
}  // namespace initlab::spec
