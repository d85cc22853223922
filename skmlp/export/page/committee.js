/** The members of the model: the networks whose probabilities are averaged. A single network is the only member. */

import { deslant } from "./deslant.js";
import { decodeNetwork } from "./network.js";

/**
 * @typedef {object} Member
 * @property {string} name
 * @property {number} fraction weight in the average; those of all members add up to 1
 * @property {?{ maxShear: number, spread: [?number, ?number] }} deslant parameters of the Deslant, null without one
 * @property {Network} network
 */

/** Return a promise of the Members for the data of a page. */
export function decodeMembers(descriptions) {
  return Promise.all(descriptions.map(async (each) => ({ ...each, network: await decodeNetwork(each.network) })));
}

/**
 * Convert the pixels of a drawing to the features of a network.
 *
 * @param {ArrayLike<number>} pixels from 0 to 255
 * @param {{ shape: [number, number], smallest: number, largest: number }} settings of the input
 * @param {?{ maxShear: number, spread: [?number, ?number] }} parameters of the Deslant, null without one
 * @returns {Float32Array}
 */
export function convertPixels(pixels, { shape, smallest, largest }, parameters) {
  const image = parameters ? deslant(pixels, shape, parameters) : pixels;
  return Float32Array.from(image, (pixel) => smallest + (pixel * (largest - smallest)) / 255);
}

/**
 * Return the weighted average of the probabilities of each class or label.
 *
 * @param {Member[]} members
 * @param {{ probabilities: Float32Array }[]} passes results of the members
 * @returns {Float32Array}
 */
export function averageProbabilities(members, passes) {
  return passes[0].probabilities.map((_, index) =>
    passes.reduce((sum, { probabilities }, member) => sum + members[member].fraction * probabilities[index], 0),
  );
}
