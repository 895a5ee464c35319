// Preloaded into the peer on CPUs of other vendors than Intel: MKL, which PyTorch multiplies f32 matrices with, asks this
// function whether it may use its AVX-512 kernels, and by its own answer falls back to AVX2.
int mkl_serv_intel_cpu_true(void) { return 1; }
