import type { Component, ComponentInputs } from './component.ts';
import { controlPlane } from './control-plane.ts';
import { edgeComponents } from './edge-components.ts';
import { nodeComponents } from './node-components.ts';
import { storageComponents } from './storage-components.ts';

/** Everything that runs in a lab, in the order in which it is shown. */
export function componentsOf(inputs: ComponentInputs): Component[] {
  return [...controlPlane(inputs), ...nodeComponents(inputs), ...storageComponents(inputs), ...edgeComponents(inputs)];
}
