import account from "./account.json";
import allTeams from "./all-teams.json";
import apiKeys from "./api-keys.json";
import audit from "./audit.json";
import auditLog from "./audit-log.json";
import backfills from "./backfills.json";
import flags from "./flags.json";
import health from "./health.json";
import identities from "./identities.json";
import jobs from "./jobs.json";
import security from "./security.json";
import sessions from "./sessions.json";
import settings from "./settings.json";
import statistics from "./statistics.json";
import team from "./team.json";
import users from "./users.json";
import waitlist from "./waitlist.json";

/** Texts that only some pages load, with `MoreTexts`. */
export default {
  ...account,
  ...allTeams,
  ...apiKeys,
  ...audit,
  ...auditLog,
  ...backfills,
  ...flags,
  ...health,
  ...identities,
  ...jobs,
  ...security,
  ...sessions,
  ...settings,
  ...statistics,
  ...team,
  ...users,
  ...waitlist,
};
