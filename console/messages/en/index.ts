import account from "./account.json";
import apiKeys from "./api-keys.json";
import audit from "./audit.json";
import common from "./common.json";
import dashboard from "./dashboard.json";
import extensions from "./extensions.json";
import identities from "./identities.json";
import projects from "./projects.json";
import security from "./security.json";
import session from "./session.json";
import sessions from "./sessions.json";
import shell from "./shell.json";
import team from "./team.json";
import teams from "./teams.json";

export default {
  ...account,
  ...apiKeys,
  ...audit,
  ...common,
  ...dashboard,
  ...extensions,
  ...identities,
  ...projects,
  ...security,
  ...session,
  ...sessions,
  ...shell,
  ...team,
  ...teams,
};
