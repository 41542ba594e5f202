import type { Flag } from "./queries";

/** Who has a feature now: `none` while its schedule or its share leaves it to no user. */
export type Audience = "off" | "scheduled" | "ended" | "everyone" | "some" | "none";

type Rule = Pick<Flag, "enabled" | "percentage" | "users" | "teams" | "starts_at" | "ends_at">;

export function audienceOf(rule: Rule, now: number): Audience {
  if (!rule.enabled) return "off";
  if (rule.ends_at !== null && Date.parse(rule.ends_at) <= now) return "ended";
  if (rule.starts_at !== null && Date.parse(rule.starts_at) > now) return "scheduled";
  return audienceWhileOn(rule);
}

/** Who has the feature between its times. */
export function audienceWhileOn({ percentage, users, teams }: Rule): "everyone" | "some" | "none" {
  if (percentage >= 100) return "everyone";
  return percentage > 0 || users.length > 0 || teams.length > 0 ? "some" : "none";
}
