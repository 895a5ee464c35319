/* The plugin boundary: what an initializer strategy and the host say to each other, in plain C (C99 to C++20).
 *
 * A plugin is a shared library with one exported function, initlab_plugin(), that returns static data. It never sees
 * the model: it gets the description of one parameter and fills one buffer that the host owns. Randomness and
 * checkpoint values come from the host, by tensor name, so that two strategies under one seed see the same draws.
 *
 * Rules. A struct that may grow starts with its size in bytes as its maker knew it: fields are only ever added at the
 * end, and a reader looks at the size before it reads a newer field. Such a struct never crosses by value and never
 * stands in an array. il_option and il_option_info do stand in arrays, so they are final. Major versions must match.
 * All text is UTF-8 and zero-terminated. No exception may cross. The host never unloads a library. The number behind
 * the slash of a strategy id is the revision of its numbers: change the bits that it writes, raise it.
 *
 * Data-driven strategies fill as the others do and then see what the model makes of their values: IL_EXT_CALIBRATE.
 */
#ifndef INITLAB_PLUGIN_H
#define INITLAB_PLUGIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IL_ABI_MAJOR 1
#define IL_ABI_MINOR 2

/* Roles of a parameter, as bits. */
#define IL_ROLE_MATRIX 1u      /* weight of a dense layer, (out, in) */
#define IL_ROLE_EMBEDDING 2u   /* table of vectors, (rows, width) */
#define IL_ROLE_BIAS 4u        /* additive vector */
#define IL_ROLE_NORM_SCALE 8u  /* LayerNorm weight */
#define IL_ROLE_NORM_SHIFT 16u /* LayerNorm bias */
/* Since minor 2. What scales a residual sum, 1 where nothing is to change: residual_scale of the shortcut, (hidden), or
 * branch_scale of the branch, (1). Plain BERT has none. */
#define IL_ROLE_RESIDUAL_SCALE 32u
#define IL_ROLE_ALL 63u

/* One parameter. Owned by the host, valid during the call. */
typedef struct {
  uint32_t size;
  uint32_t rank;
  const int64_t* dims; /* row-major; weights are (out, in) */
  const char* name;    /* Hugging Face name, e.g. bert.encoder.layer.0.attention.self.query.weight */
  uint32_t role;       /* one IL_ROLE_ bit */
  int32_t layer;       /* 0-based encoder layer, -1 outside the stack */
  int32_t num_layers;
  int32_t heads;           /* attention heads of the model */
  int64_t fan_in, fan_out; /* of two dimensions: dims[1], dims[0], as torch.nn.init counts; else 1 and the length */
  /* Since minor 1. */
  int64_t hidden;        /* width of a hidden state of the model */
  int64_t weight_fan_in; /* of a bias: fan_in of the matrix that it is added to; 0 where there is none, and elsewhere */
  /* Since minor 2. The model's residual sums: LayerNorm(residual_scale x + f(x)), or x + branch_scale f(x). */
  double residual_scale; /* the fixed factor, 1 in BERT and without LayerNorm; 0 where tensors take its place */
  uint32_t normed;       /* 1: with LayerNorm, as BERT; 0: no LayerNorm, neither there nor after the embeddings */
} il_param;

/* A tensor of the checkpoint. The asker sets size, the host the rest. What it points to is owned by the host and valid
 * until fill returns. */
typedef struct {
  uint32_t size;
  uint32_t rank;
  const int64_t* dims;
  const float* data; /* row-major, always f32 */
} il_view;

/* What the host lends during fill(). Thread: any; the functions are pure.
 * Draw i is a pure function of (seed, tensor, i): any order, any thread, any split gives the same values. */
typedef struct {
  uint32_t size;
  const void* context;
  void (*uniform)(const void* context, const char* tensor, uint64_t first, float* dst, uint64_t n); /* in [0, 1) */
  void (*normal)(const void* context, const char* tensor, uint64_t first, float* dst, uint64_t n);  /* N(0, 1) */
  /* The spec's checkpoint, by this model's names. Returns zero and sets the view; non-zero, and leaves the view alone,
   * where there is no checkpoint or it has no such tensor. */
  int (*source)(const void* context, const char* tensor, il_view* view);
  /* Since minor 1. The model's parameter number i, counted from 0. The asker sets the size, the host the rest. Returns
   * zero; non-zero past the last one. */
  int (*parameter)(const void* context, uint64_t i, il_param* param);
  /* Since minor 1. As source, but data is null: whether the checkpoint has a tensor, and its shape. What is asked for
   * here does not count as used. */
  int (*source_shape)(const void* context, const char* tensor, il_view* view);
} il_host;

/* Filled by the plugin when a call fails (returns non-zero): a zero-terminated sentence without the plugin's or
 * tensor's name; the host adds plugin, strategy, parameter and spec line. The host sets size. */
typedef struct {
  uint32_t size;
  char text[508];
} il_error;

/* An option as the spec gives it: the YAML scalar's text. */
typedef struct {
  const char* key;
  const char* value;
} il_option;

/* An option as the strategy declares it. type: "number" | "integer" | "flag" | "text". default_value is null where the
 * option must be given. */
typedef struct {
  const char* key;
  const char* type;
  const char* default_value;
  const char* summary; /* with unit */
} il_option_info;

/* One strategy: static data. */
typedef struct {
  uint32_t size;
  const char* id;         /* "xavier_uniform/1": name, slash, revision of the numbers */
  const char* summary;    /* one line */
  const char* source;     /* the paper or code it follows */
  uint32_t natural_roles; /* what a rule covers when it names no role; IL_ROLE_ bits */
  uint32_t num_options;
  const il_option_info* options;
  /* Reads the options. Thread: one. On failure returns non-zero, fills the error and leaves *self alone. */
  int (*create)(const il_option* options, uint32_t n, void** self, il_error* error);
  /* Writes n floats to dst. Thread: any, also at the same time on one self for different parameters. On failure returns
   * non-zero, fills the error; dst is then thrown away by the host. */
  int (*fill)(const void* self, const il_param* param, const il_host* host, float* dst, uint64_t n, il_error* error);
  void (*destroy)(void* self);
  /* Growth: optional powers by name, e.g. IL_EXT_MOMENTS. Null, or returns null where there is none. Thread: any. */
  const void* (*extension)(const char* extension_id);
} il_strategy;

/* Optional power: the moments that the strategy promises for a parameter, checked by the conformance suite. */
#define IL_EXT_MOMENTS "initlab.moments/1"
typedef struct {
  uint32_t size;
  /* Thread: any. Returns zero and sets mean, standard deviation and hard bounds (may be +-infinity); non-zero where it
   * cannot say. */
  int (*moments)(const void* self, const il_param* param, double* mean, double* stddev, double* low, double* high);
} il_moments;

/* Optional power: the strategy cannot fill a parameter unless the checkpoint has a tensor of the same name and shape.
 * The host then says so before a run starts, and the conformance suite lends a checkpoint. */
#define IL_EXT_NEEDS_SOURCE "initlab.needs_source/1"
typedef struct {
  uint32_t size;
} il_needs_source;

/* What a checkpoint has, without its values: il_host.source, but data is null. */
typedef struct {
  uint32_t size;
  const void* context;
  int (*source)(const void* context, const char* tensor, il_view* view);
} il_sources;

/* Optional power: the strategy says before a run starts whether it can fill a parameter. Beside IL_EXT_NEEDS_SOURCE it
 * takes the place of the host's own look at name and shape, so that a strategy may read tensors of other names and
 * shapes than the parameter's. Since minor 1; an older host asks nothing and looks at name and shape itself. */
#define IL_EXT_CHECK "initlab.check/1"
#define IL_CHECK_OK 0      /* it can */
#define IL_CHECK_MISSING 1 /* the checkpoint lacks the tensor that the error names: `missing` of the rule decides */
#define IL_CHECK_REFUSED 2 /* it cannot, for the reason in the error: a sentence as fill's */
typedef struct {
  uint32_t size;
  /* Thread: any. sources is null where there is no checkpoint. */
  int (*check)(const void* self, const il_param* param, const il_sources* sources, il_error* error);
} il_check;

/* What the product of a weight gave over all rows and columns of a forward pass, its bias included: x W^T + b, before
 * anything else is done to it. Standard deviations are the population's. All values are finite, but for the residual
 * ones where there is no residual: they are NaN there. The asker sets size, the host the rest. Since minor 2. */
typedef struct {
  uint32_t size;
  uint32_t reserved; /* 0 */
  uint64_t count;    /* numbers measured: rows of all batches, padding left out, times columns */
  double mean, stddev;
  /* Of what the product is added to, where it is a branch of the residual stream, before any factor of either. */
  double residual_mean, residual_stddev;
} il_activation;

/* What the host lends during calibrate(). Owned by the host, valid during the call. Since minor 2. */
typedef struct {
  uint32_t size;
  uint32_t round; /* how often this parameter was calibrated before: 0, 1, ... */
  const void* context;
  /* The product of that weight, by the model's names, in a forward pass on the present values of all parameters: this
   * one's as they stand in dst, those before it calibrated, those behind it as fill left them. Returns zero; non-zero,
   * and leaves the activation alone, where no product of the forward pass has this weight. Thread: any. */
  int (*output)(const void* context, const char* weight, il_activation* activation);
} il_activations;

/* Optional power: the strategy looks at a forward pass and changes what fill wrote. After all parameters are filled the
 * host goes through those of such strategies in the model's order, which is the order of the forward pass. For each it
 * calls calibrate with round 0, 1, ..., each time on a fresh pass, until the strategy wants no other round. A pass is
 * over whole batches without dropout: the first `batches` training batches of the run's own order, which all arms of a
 * replicate share; f32 whatever the run's precision. The same run on the same number of threads and the same kind of
 * CPU sees the same numbers. Since minor 2; an older host does not call it: the values stay as fill left them. */
#define IL_EXT_CALIBRATE "initlab.calibrate/1"
#define IL_MOST_CALIBRATION_ROUNDS 100  /* of one parameter; who then wants another one is refused */
#define IL_MOST_CALIBRATION_BATCHES 100 /* of one pass */
typedef struct {
  uint32_t size;
  /* From 1 to IL_MOST_CALIBRATION_BATCHES. A run that has fewer batches in an epoch gives those of the next. Thread:
   * any. */
  uint32_t (*batches)(const void* self);
  /* dst holds the parameter's n present values; the strategy leaves or changes them, and sets *again to non-zero where
   * it wants another round, to zero where not. A pure function of what it is given. Thread: any, one call at a time. On
   * failure returns non-zero, fills the error; dst is then thrown away by the host. */
  int (*calibrate)(const void* self, const il_param* param, const il_activations* activations, float* dst, uint64_t n,
                   int* again, il_error* error);
} il_calibrate;

/* The library: static data. */
typedef struct {
  uint32_t size;
  uint16_t abi_major, abi_minor; /* IL_ABI_MAJOR, IL_ABI_MINOR */
  const char* name;
  const char* version;
  uint32_t num_strategies;
  const il_strategy* const* strategies;
} il_plugin;

#if defined(__GNUC__) || defined(__clang__)
#define IL_EXPORT __attribute__((visibility("default")))
#else
#define IL_EXPORT
#endif

/* The only exported symbol. */
IL_EXPORT const il_plugin* initlab_plugin(void);
typedef const il_plugin* (*il_plugin_entry)(void);
#define IL_ENTRY_SYMBOL "initlab_plugin"

#ifdef __cplusplus
}
#endif
#endif
