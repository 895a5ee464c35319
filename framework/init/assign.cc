// Which rule decides which tensor. All that can fail because of input fails here, before a run starts.
#include <algorithm>
#include <list>
#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "checkpoint/checkpoint.hpp"
#include "init/init.hpp"
#include "init/strategy.hpp"

namespace initlab::init {
namespace {

constexpr const char* kDefault = "bert_default";

bool needs_source(const CatalogEntry& entry) { return extends(entry, IL_EXT_NEEDS_SOURCE); }

std::string shape_text(std::span<const std::int64_t> shape) {
  std::vector<std::string> dims;
  for (const std::int64_t dim : shape) dims.push_back(std::to_string(dim));
  return "(" + base::join(dims, ", ") + ")";
}

// One rule, its strategy looked up and its roles resolved.
struct Rule {
  const config::InitRule* rule;
  const CatalogEntry* entry;
  const CatalogEntry* missing;               // null where the rule has no `missing`
  std::shared_ptr<const Strategy> strategy;  // entry's, with the rule's options
  std::uint32_t roles;
  std::uint32_t parts;       // bits in the order of params::Part
  std::int64_t covered = 0;  // tensors that it covers
  std::int64_t decided = 0;  // of these, not decided by an earlier rule

  std::string subject() const { return "rule " + base::quote(rule->text); }
};

// What a strategy gets to see of the checkpoint while it checks: names and shapes.
class LentShapes {
 public:
  explicit LentShapes(const SourceShapes& source) : source_(source) {}
  il_sources lend() const { return {sizeof(il_sources), this, &shape}; }

 private:
  static int shape(const void* self, const char* tensor, il_view* view) {
    const auto& lent = *static_cast<const LentShapes*>(self);
    if (view->size < sizeof(il_view)) return 1;
    std::optional<std::vector<std::int64_t>> found = lent.source_.shape(tensor);
    if (!found) return 1;
    const std::vector<std::int64_t>& kept = lent.kept_.emplace_back(*std::move(found));
    view->rank = static_cast<std::uint32_t>(kept.size());
    view->dims = kept.data();
    view->data = nullptr;
    return 0;
  }

  const SourceShapes& source_;
  mutable std::list<std::vector<std::int64_t>> kept_;  // what views point to
};

class Assigner {
 public:
  Assigner(const Catalog& catalog, const params::ParameterTable& table, const SourceShapes* source,
           const config::ModelConfig& model)
      : catalog_(catalog), table_(table), source_(source), model_(model) {}

  // Assigns the tensors of one side, encoder or head.
  void assign(const std::vector<config::InitRule>& rules, bool head, std::vector<Assignment>& assignments) const {
    std::vector<Rule> resolved;
    for (const config::InitRule& rule : rules) resolved.push_back(resolve(rule));
    for (std::size_t i = 0; i < table_.all().size(); ++i)
      if (table_.all()[i].head == head) assignments[i] = decide(table_.all()[i], resolved);
    for (const Rule& rule : resolved) check_use(rule, head);
  }

 private:
  Rule resolve(const config::InitRule& rule) const {
    Rule r{.rule = &rule,
           .entry = &catalog_.find(rule.use, rule.place),
           .missing = nullptr,
           .strategy = {},
           .roles = 0,
           .parts = 0};
    r.strategy = std::make_shared<const Strategy>(catalog_, *r.entry, rule.options, rule.place);
    for (const std::string& role : rule.roles)
      r.roles |= 1u << named(role, "role", "a role", config::role_names(), rule.place);
    if (rule.roles.empty()) r.roles = r.entry->strategy->natural_roles;
    for (const std::string& part : rule.parts)
      r.parts |= 1u << named(part, "part", "a part of the model", config::part_names(), rule.place);
    if (rule.parts.empty()) r.parts = ~0u;
    if (needs_source(*r.entry) && source_ == nullptr)
      throw base::Error({rule.place, r.subject(), "a checkpoint to take values from", "none",
                         "name one: model: {checkpoint: FOLDER}"});
    if (rule.missing) resolve_missing(r);
    return r;
  }

  void resolve_missing(Rule& r) const {
    const config::InitRule& rule = *r.rule;
    r.missing = &catalog_.find(*rule.missing, rule.place);
    if (!needs_source(*r.entry))
      throw base::Error({rule.place, r.subject() + ", missing", "a strategy that reads the checkpoint",
                         "use: " + base::quote(rule.use), "leave `missing` away"});
    if (needs_source(*r.missing))
      throw base::Error({rule.place, r.subject() + ", missing", "a strategy that needs no checkpoint",
                         base::quote(*rule.missing), ""});
    Strategy(catalog_, *r.missing, {}, rule.place);
  }

  // Where `name` stands in the list.
  static std::ptrdiff_t named(const std::string& name, const char* subject, const char* expected,
                              const std::vector<std::string>& names, const std::string& place) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end())
      throw base::Error({place, subject, expected, base::quote(name), base::did_you_mean(name, names)});
    return found - names.begin();
  }

  static bool in_parts(const Rule& r, const params::Parameter& p) {
    return (r.parts >> static_cast<unsigned>(params::part_of(p)) & 1u) != 0;
  }

  bool covers(const Rule& r, const params::Parameter& p) const {
    if ((r.roles & role_bit(p.role)) == 0 || !in_parts(r, p)) return false;
    if (r.rule->match && !base::glob_match(*r.rule->match, p.name)) return false;
    return !r.rule->layers || r.rule->layers->covers(p.layer, model_.layers);
  }

  Assignment decide(const params::Parameter& p, std::vector<Rule>& rules) const {
    Assignment result;
    result.parameter = &p;
    const Rule* decider = nullptr;
    for (Rule& rule : rules) {
      if (!covers(rule, p)) continue;
      ++rule.covered;
      if (decider != nullptr) continue;
      ++rule.decided;
      decider = &rule;
    }
    if (decider == nullptr) return use_default(result);
    result.rule = decider->rule;
    result.use = decider->rule->use;
    result.entry = decider->entry;
    if (decider->strategy->checks()) {
      ask(*decider, result);
    } else if (needs_source(*decider->entry)) {
      check_source(*decider, result);
    }
    return result;
  }

  // The strategy itself says whether it can fill this tensor.
  void ask(const Rule& r, Assignment& result) const {
    const params::Parameter& p = *result.parameter;
    std::optional<LentShapes> shapes;
    if (source_ != nullptr) shapes.emplace(*source_);
    const il_sources lent = shapes ? shapes->lend() : il_sources{};
    const Strategy::Answer answer = r.strategy->check(describe_parameter(p, model_), shapes ? &lent : nullptr);
    if (answer.status == IL_CHECK_OK) return;
    if (answer.status == IL_CHECK_MISSING) return use_missing(r, answer.text, result);
    throw base::Error(
        {r.rule->place, describe(catalog_, *r.entry) + ": tensor " + p.name + ": " + answer.text, "", "", ""});
  }

  Assignment use_default(Assignment result) const {
    result.use = kDefault;
    result.entry = &catalog_.find(kDefault, "default rule");
    return result;
  }

  // The strategy reads the checkpoint: has it this tensor, in this shape?
  void check_source(const Rule& r, Assignment& result) const {
    const params::Parameter& p = *result.parameter;
    const std::optional<std::vector<std::int64_t>> shape = source_->shape(p.name);
    if (shape) {
      if (*shape == p.shape) return;
      throw base::Error({r.rule->place, r.subject() + ": tensor " + p.name, "shape " + shape_text(p.shape),
                         shape_text(*shape) + " in " + source_->place,
                         "the checkpoint is of another shape or task; give this tensor another rule"});
    }
    use_missing(r, p.name, result);
  }

  // The checkpoint lacks a tensor that the rule's strategy reads.
  void use_missing(const Rule& r, const std::string& lacking, Assignment& result) const {
    const params::Parameter& p = *result.parameter;
    if (r.missing == nullptr)
      throw base::Error({r.rule->place, r.subject() + ": tensor " + p.name,
                         (lacking == p.name ? "a tensor of that name in " : "a tensor " + lacking + " in ") +
                             (source_ == nullptr ? "a checkpoint" : source_->place),
                         "none", "say what fills it: missing: bert_default"});
    result.missing = true;
    // As everywhere, a strategy is not used beyond its natural roles unless asked: no LayerNorm from a normal by
    // accident.
    if ((r.missing->strategy->natural_roles & role_bit(p.role)) == 0) {
      result = use_default(result);
    } else {
      result.use = *r.rule->missing;
      result.entry = r.missing;
    }
  }

  // top(0) and bottom(0) ask for nothing: the first point of a grid over how many layers.
  static bool asks_for_nothing(const config::InitRule& rule) {
    return rule.layers && rule.layers->kind != config::LayerRange::Kind::span && rule.layers->first == 0;
  }

  // A rule without effect is a mistake of the person who wrote it.
  void check_use(const Rule& r, bool head) const {
    if (r.decided > 0 || asks_for_nothing(*r.rule)) return;
    const std::string expected =
        std::string("a rule that decides at least one tensor of the ") + (head ? "head" : "encoder");
    if (r.covered > 0)
      throw base::Error({r.rule->place, r.subject(), expected,
                         "none: earlier rules decide all " + std::to_string(r.covered) + " that it covers",
                         "the first rule that covers a tensor decides; put the narrower rule first"});
    throw base::Error({r.rule->place, r.subject(), expected, "none", why_none(r, head)});
  }

  std::string why_none(const Rule& r, bool head) const {
    const config::InitRule& rule = *r.rule;
    if (rule.match) {
      const std::string why = why_no_match(*rule.match, head);
      if (!why.empty()) return why;
    }
    if (rule.layers && std::ranges::none_of(table_.all(), [&](const params::Parameter& p) {
          return p.head == head && rule.layers->covers(p.layer, model_.layers);
        }))
      return head ? "no layer of the stack is in the head"
                  : "layers " + base::quote(rule.layers->text) + " holds none of the " + std::to_string(model_.layers) +
                        " encoder layers, 0 to " + std::to_string(model_.layers - 1);
    const std::string why = why_no_part(r, head);
    if (!why.empty()) return why;
    if (r.roles == IL_ROLE_RESIDUAL_SCALE)
      return head ? "the head has no residual sum"
                  : "this model has no tensor that scales a residual sum: model: {residual_scale: trained}, or norm: "
                    "none";
    std::vector<std::string> roles;
    for (std::size_t i = 0; i < config::role_names().size(); ++i)
      if ((r.roles & (1u << i)) != 0) roles.push_back(config::role_names()[i]);
    return "it speaks of " + base::join(roles, ", ") +
           (rule.roles.empty() ? " only, unless `role:` names others" : " only");
  }

  // Empty where this side has a tensor in the rule's parts.
  std::string why_no_part(const Rule& r, bool head) const {
    const auto& all = table_.all();
    if (std::ranges::any_of(all, [&](const auto& p) { return p.head == head && in_parts(r, p); })) return "";
    const std::string parts = "part " + base::join(r.rule->parts, ", ");
    if (std::ranges::none_of(all, [&](const auto& p) { return in_parts(r, p); })) return "this model has no " + parts;
    return parts + (head ? " belongs to the encoder: use the arm's rules" : " belongs to the task head: use `head:`");
  }

  // Empty where the pattern matches a name of this side.
  std::string why_no_match(const std::string& pattern, bool head) const {
    std::vector<std::string> names;  // of this side
    const params::Parameter* other = nullptr;
    for (const params::Parameter& p : table_.all()) {
      const bool matches = base::glob_match(pattern, p.name);
      if (matches && p.head == head) return "";
      if (matches && other == nullptr) other = &p;
      if (p.head == head) names.push_back(p.name);
    }
    if (other != nullptr)
      return other->name +
             (head ? " belongs to the encoder: use the arm's rules" : " belongs to the task head: use `head:`");
    const std::string near = base::closest(pattern, names);
    const std::string start = "no name matches " + base::quote(pattern);
    if (!near.empty()) return start + ", did you mean " + base::quote(near) + "?";
    return start + ", names look like " + names.front() + "; * is any run of characters";
  }

  const Catalog& catalog_;
  const params::ParameterTable& table_;
  const SourceShapes* source_;
  const config::ModelConfig& model_;
};

}  // namespace

bool reads_checkpoint(const Assignment& assignment) { return needs_source(*assignment.entry); }

SourceShapes shapes_of(const checkpoint::Checkpoint& checkpoint) {
  return {checkpoint.weights_file().string(),
          [&checkpoint](const std::string& name) -> std::optional<std::vector<std::int64_t>> {
            const checkpoint::TensorInfo* tensor = checkpoint.find(name);
            if (tensor == nullptr) return std::nullopt;
            return tensor->shape;
          }};
}

std::vector<Assignment> assign(const Catalog& catalog, const config::RunPlan& plan, const params::ParameterTable& table,
                               const SourceShapes* source, const config::ModelConfig& model) {
  std::vector<Assignment> assignments(table.all().size());
  const Assigner assigner(catalog, table, source, model);
  assigner.assign(plan.init, false, assignments);
  assigner.assign(plan.head, true, assignments);
  return assignments;
}

}  // namespace initlab::init
