import common from "./common.json";
import dashboard from "./dashboard.json";
import projects from "./projects.json";
import session from "./session.json";
import shell from "./shell.json";
import teams from "./teams.json";

export default { ...common, ...dashboard, ...projects, ...session, ...shell, ...teams };
