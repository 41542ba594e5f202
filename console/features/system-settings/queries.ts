import type { SettingRead } from "undercroft-client";
import { api } from "@/lib/api";
import { query } from "@/lib/query";

export type Setting = SettingRead;

export const SETTINGS = ["admin", "settings"] as const;

export const settingsQuery = query([...SETTINGS, "list"], (signal) => api.settings.list({ signal }));

export const readSetting = (name: string): Promise<Setting> => api.settings.read({ name });
