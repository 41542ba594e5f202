import backfills from "./backfills.json";
import flags from "./flags.json";
import jobs from "./jobs.json";
import settings from "./settings.json";
import waitlist from "./waitlist.json";

/** Texts that only the pages of these capabilities load, each its own. */
export default { ...backfills, ...flags, ...jobs, ...settings, ...waitlist };
