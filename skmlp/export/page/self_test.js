/** Comparison of the predictions of this page with those that Python computed for the same samples. */

/** Larger differences of a probability are reported; rounding causes about 1e-6. */
const TOLERANCE = 1e-4;

/**
 * @param {{ network: Network, features: Float32Array, probabilities: number[] }[]} samples
 * @returns {{ passed: boolean, nSamples: number, largestDifference: number }}
 */
export function runSelfTest(samples) {
  const differences = samples.flatMap(({ network, features, probabilities }) => {
    const computed = network.forward(features).probabilities;
    return probabilities.map((expected, index) => Math.abs(computed[index] - expected));
  });
  const largestDifference = Math.max(0, ...differences);
  return { passed: largestDifference <= TOLERANCE, nSamples: samples.length, largestDifference };
}
