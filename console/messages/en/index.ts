import admin from "./admin.json";
import common from "./common.json";
import dashboard from "./dashboard.json";
import extensions from "./extensions.json";
import projects from "./projects.json";
import session from "./session.json";
import shell from "./shell.json";
import teams from "./teams.json";

/** Texts that several pages need. */
export default {
  ...admin,
  ...common,
  ...dashboard,
  ...extensions,
  ...projects,
  ...session,
  ...shell,
  ...teams,
};
