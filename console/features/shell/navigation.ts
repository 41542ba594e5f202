import { FolderKanban, LayoutDashboard, type LucideIcon } from "lucide-react";
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
}

/** The pages of users. */
export const USER_PAGES: readonly Entry[] = [
  { path: "/", label: "dashboard", icon: LayoutDashboard },
  { path: "/projects/", label: "projects", icon: FolderKanban, permission: "projects:read", module: "projects" },
];

/** The pages of administrators of the platform. */
export const ADMIN_PAGES: readonly Entry[] = [];
