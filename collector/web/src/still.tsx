// A view that is drawn anew only when what it shows has changed: samples come every second, most of a
// large network stays as it is.

import { Component, type ComponentChild } from "preact";

/** `View`, which stays as it is while `same` holds. */
export function still<Props extends object>(View: (props: Props) => ComponentChild, same: (before: Props, now: Props) => boolean) {
  return class Still extends Component<Props> {
    override shouldComponentUpdate(next: Props): boolean {
      return !same(this.props, next);
    }

    override render(): ComponentChild {
      return View(this.props);
    }
  };
}
