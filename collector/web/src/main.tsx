import { render } from "preact";
import "./style.css";
import { App } from "./app";

const root = document.getElementById("app");
if (root !== null) {
  root.replaceChildren();
  render(<App />, root);
}
