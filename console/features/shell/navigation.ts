import {
  Building2,
  CalendarClock,
  ChartColumn,
  Cog,
  Database,
  Flag,
  FolderKanban,
  HeartPulse,
  Hourglass,
  KeyRound,
  LayoutDashboard,
  Link2,
  MonitorSmartphone,
  ScrollText,
  ShieldCheck,
  SlidersHorizontal,
  UserRound,
  Users,
  UsersRound,
  type LucideIcon,
} from "lucide-react";
import type { Messages } from "use-intl";

export interface Entry {
  path: string;
  /** Key of the text in the messages `navigation`. */
  label: keyof Messages["navigation"];
  icon: LucideIcon;
  /** Permission in the team that the page needs. */
  permission?: string;
  /** Optional module of the server that the page needs. */
  module?: string;
  /** Whether the server refuses the page to an administrator who impersonates the user. */
  isPersonal?: boolean;
}

/** The pages of users. */
export const USER_PAGES: readonly Entry[] = [
  { path: "/", label: "dashboard", icon: LayoutDashboard },
  { path: "/projects/", label: "projects", icon: FolderKanban, permission: "projects:read", module: "projects" },
  { path: "/team/", label: "team", icon: Users, permission: "teams:read" },
  { path: "/api-keys/", label: "apiKeys", icon: KeyRound, module: "api_keys", isPersonal: true },
];

/** The pages of the user's account, which the user menu opens. */
export const ACCOUNT_PAGES: readonly Entry[] = [
  { path: "/account/", label: "profile", icon: UserRound },
  { path: "/account/security/", label: "security", icon: ShieldCheck, isPersonal: true },
  { path: "/account/sessions/", label: "sessions", icon: MonitorSmartphone, isPersonal: true },
  { path: "/account/identities/", label: "identities", icon: Link2, module: "identities", isPersonal: true },
];

/** The pages of administrators of the platform. */
export const ADMIN_PAGES: readonly Entry[] = [
  { path: "/admin/", label: "statistics", icon: ChartColumn, module: "admin" },
  { path: "/admin/users/", label: "users", icon: UsersRound },
  { path: "/admin/teams/", label: "allTeams", icon: Building2 },
  { path: "/admin/audit/", label: "auditLog", icon: ScrollText },
  { path: "/admin/health/", label: "health", icon: HeartPulse },
  { path: "/admin/waitlist/", label: "waitlist", icon: Hourglass, module: "waitlist" },
  { path: "/admin/flags/", label: "flags", icon: Flag, module: "flags" },
  { path: "/admin/settings/", label: "settings", icon: SlidersHorizontal, module: "system_settings" },
  { path: "/admin/jobs/", label: "jobs", icon: Cog, module: "jobs" },
  { path: "/admin/schedules/", label: "schedules", icon: CalendarClock, module: "jobs" },
  { path: "/admin/backfills/", label: "backfills", icon: Database, module: "backfills" },
];
