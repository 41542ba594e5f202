import account from "./account.json";
import admin from "./admin.json";
import allTeams from "./all-teams.json";
import apiKeys from "./api-keys.json";
import audit from "./audit.json";
import auditLog from "./audit-log.json";
import backfills from "./backfills.json";
import common from "./common.json";
import dashboard from "./dashboard.json";
import extensions from "./extensions.json";
import flags from "./flags.json";
import health from "./health.json";
import identities from "./identities.json";
import jobs from "./jobs.json";
import projects from "./projects.json";
import security from "./security.json";
import session from "./session.json";
import sessions from "./sessions.json";
import settings from "./settings.json";
import shell from "./shell.json";
import statistics from "./statistics.json";
import team from "./team.json";
import teams from "./teams.json";
import users from "./users.json";
import waitlist from "./waitlist.json";

export default {
  ...account,
  ...admin,
  ...allTeams,
  ...apiKeys,
  ...audit,
  ...auditLog,
  ...backfills,
  ...common,
  ...dashboard,
  ...extensions,
  ...flags,
  ...health,
  ...identities,
  ...jobs,
  ...projects,
  ...security,
  ...session,
  ...sessions,
  ...settings,
  ...shell,
  ...statistics,
  ...team,
  ...teams,
  ...users,
  ...waitlist,
};
