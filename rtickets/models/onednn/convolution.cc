// Convolutions of NHWC arrays by oneDNN, called from programs of XLA on a CPU.
//
// A call splits the examples into a part for every thread of XLA, and oneDNN starts none of its
// own. Kernels, HWIO, are laid out as oneDNN likes them in every call.

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <latch>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <omp.h>

#include "oneapi/dnnl/dnnl.hpp"
#include "xla/ffi/api/ffi.h"

namespace {

namespace ffi = xla::ffi;
using dnnl::memory;
using Array = ffi::Buffer<ffi::F32>;
using Tag = memory::format_tag;

// What is made; n, h, w, c of the input; h, w, features of the kernel; h, w of the output;
// strides; padding before and after the rows, then the columns.
using Sizes = std::array<int64_t, 16>;
enum Makes { kInput, kKernel, kOutput };

struct Plan {
  dnnl::primitive run;
  memory input, kernel, output, plain_kernel;
};

const dnnl::engine kCpu(dnnl::engine::kind::cpu, 0);

Plan MakePlan(const Sizes& s) {
  const auto direct = dnnl::algorithm::convolution_direct;
  const auto f32 = memory::data_type::f32;
  const memory::desc x({s[1], s[4], s[2], s[3]}, f32, Tag::nhwc);
  const memory::desc y({s[1], s[7], s[8], s[9]}, f32, Tag::nhwc);
  const memory::dims kernel{s[7], s[4], s[5], s[6]}, strides{s[10], s[11]};
  const memory::dims before{s[12], s[14]}, after{s[13], s[15]};
  const memory::desc any(kernel, f32, Tag::any), plain(kernel, f32, Tag::hwio);
  const dnnl::convolution_forward::primitive_desc forward(
      kCpu, dnnl::prop_kind::forward_training, direct, x, any, y, strides, before, after);
  dnnl::primitive_desc_base made = forward;
  if (s[0] == kInput)
    made = dnnl::convolution_backward_data::primitive_desc(
        kCpu, direct, x, any, y, strides, before, after, forward);
  if (s[0] == kKernel)
    made = dnnl::convolution_backward_weights::primitive_desc(
        kCpu, direct, x, any, y, strides, before, after, forward);
  const auto laid_out = s[0] == kKernel ? made.diff_weights_desc(0) : made.weights_desc(0);
  return {dnnl::primitive(made.get()), memory(x, kCpu, nullptr), memory(laid_out, kCpu),
          memory(y, kCpu, nullptr), memory(plain, kCpu, nullptr)};
}

void Run(const Sizes& s, float* input, float* kernel, float* output) {
  thread_local std::map<Sizes, Plan> plans;  // two threads must not run one at once
  thread_local dnnl::stream stream(kCpu);
  omp_set_num_threads(1);  // of this thread
  Plan& plan = plans[s];
  if (!plan.run) plan = MakePlan(s);
  plan.input.set_data_handle(input);
  plan.output.set_data_handle(output);
  plan.plain_kernel.set_data_handle(kernel);
  if (s[0] != kKernel) dnnl::reorder(plan.plain_kernel, plan.kernel).execute(stream, plan.plain_kernel, plan.kernel);
  plan.run.execute(stream, {
      {s[0] == kInput ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, plan.input},
      {s[0] == kKernel ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, plan.kernel},
      {s[0] == kOutput ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, plan.output}});
  if (s[0] == kKernel) dnnl::reorder(plan.kernel, plan.plain_kernel).execute(stream, plan.kernel, plan.plain_kernel);
  stream.wait();
}

// Parts are claimed by whoever is free. The caller takes part, so that it never waits for a thread
// that has not begun.
struct Parts {
  const int64_t count;
  const std::function<void(int64_t)> work;
  std::latch left{count};
  std::atomic<int64_t> next{0};
  std::vector<std::string> errors = std::vector<std::string>(count);  // of a part each

  void Help() {
    for (int64_t part; (part = next++) < count; left.count_down())
      try { work(part); } catch (const std::exception& e) { errors[part] = e.what(); }
  }
};

ffi::Error Convolve(ffi::ThreadPool threads, Array a, Array b, ffi::Result<Array> result,
                    int64_t makes, ffi::Span<const int64_t> sizes) {
  Sizes whole{makes};
  std::copy(sizes.begin(), sizes.end(), whole.begin() + 1);
  float *made = result->typed_data(), *first = a.typed_data(), *second = b.typed_data();
  float *input = makes == kInput ? made : first, *kernel = makes == kKernel ? made : second;
  float* output = makes == kOutput ? made : makes == kInput ? first : second;
  const int64_t examples = whole[1], of_kernel = whole[4] * whole[5] * whole[6] * whole[7];
  const int64_t of_input = whole[2] * whole[3] * whole[4], of_output = whole[8] * whole[9] * whole[7];
  const int64_t count = std::clamp<int64_t>(threads.num_threads(), 1, examples);
  std::vector<float> others(makes == kKernel ? (count - 1) * of_kernel : 0);
  const auto parts = std::make_shared<Parts>(count, [&](int64_t part) {
    const int64_t start = examples * part / count;
    Sizes own = whole;
    own[1] = examples * (part + 1) / count - start;
    float* into = makes == kKernel && part ? &others[(part - 1) * of_kernel] : kernel;
    Run(own, input + start * of_input, into, output + start * of_output);
  });
  for (int64_t other = 1; other < count; ++other) threads.Schedule([parts] { parts->Help(); });
  parts->Help();
  parts->left.wait();
  for (const auto& error : parts->errors)
    if (!error.empty()) return ffi::Error::Internal("oneDNN: " + error);
  for (size_t i = 0; i < others.size(); ++i) made[i % of_kernel] += others[i];
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(rtickets_convolve, Convolve, ffi::Ffi::Bind().Ctx<ffi::ThreadPool>()
    .Arg<Array>().Arg<Array>().Ret<Array>().Attr<int64_t>("makes").Attr<ffi::Span<const int64_t>>("sizes"));
