"use client";

import { useQueryClient } from "@tanstack/react-query";
import type { SettingList } from "undercroft-client";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { SETTINGS, settingsQuery, type Setting } from "./queries";

/** Milliseconds after which every process uses a changed setting. */
const PROPAGATION = 1_000;

/** Reads again what settings change in the console itself, once the processes know them. */
function useEffects(): () => void {
  const client = useQueryClient();
  return () => void setTimeout(() => void client.invalidateQueries({ queryKey: ["announcements"] }), PROPAGATION);
}

interface Options {
  showsErrors?: boolean;
}

/** Changes a setting, unless another administrator has changed it since this version. */
export function useChange(setting: Setting, { showsErrors = false }: Options = {}) {
  const t = useTranslations("settings");
  const client = useQueryClient();
  const applyEffects = useEffects();
  return useAction({
    run: (input: { value: unknown; version: number }) =>
      api.settings.change({ name: setting.name, value: input.value, "If-Match": `"${input.version}"` }),
    optimistic: (_, { value }) => {
      const before = client.getQueryData<SettingList>(settingsQuery.queryKey);
      if (!showsErrors) replace(before, { ...setting, value: value as Setting["value"] });
      return () => client.setQueryData(settingsQuery.queryKey, before);
    },
    success: t("saved"),
    onSuccess: (changed) => {
      replace(client.getQueryData(settingsQuery.queryKey), changed);
      applyEffects();
    },
    invalidates: [SETTINGS],
    showsErrors,
  });

  function replace(list: SettingList | undefined, changed: Setting): void {
    if (list === undefined) return;
    const items = list.items.map((each) => (each.name === changed.name ? changed : each));
    client.setQueryData<SettingList>(settingsQuery.queryKey, { items });
  }
}

export function useReset(setting: Setting) {
  const t = useTranslations("settings");
  const applyEffects = useEffects();
  return useAction({
    run: () => api.settings.reset({ name: setting.name, "If-Match": `"${setting.version}"` }),
    success: t("wasReset"),
    onSuccess: applyEffects,
    invalidates: [SETTINGS],
  });
}
