"use client";

import { useFormatter, useTranslations } from "@/lib/i18n";
import type { Setting } from "./queries";

/** The texts of settings. Those of extensions are what their code declares. */
export function useSettingTexts() {
  const t = useTranslations("settings");
  const format = useFormatter();
  const find = (key: string): string | undefined => (t.has(key as never) ? t(key as never) : undefined);

  const labelOf = ({ name }: Setting): string => find(`names.${name}`) ?? name;
  const descriptionOf = ({ name, description }: Setting): string => find(`descriptions.${name}`) ?? description;
  const sectionOf = (section: string): string => find(`sections.${section}`) ?? section;
  const fieldOf = ({ name }: Setting, field: string): string => find(`fields.${name}.${field}`) ?? field;
  const optionOf = ({ name }: Setting, option: string): string => find(`options.${name}.${option}`) ?? option;
  const warningOf = ({ name }: Setting): string | undefined => find(`warnings.${name}`);

  /** Writes a value as a text. */
  const valueOf = (setting: Setting, value: unknown): string => {
    if (value === null || value === "") return t("noValue");
    if (Array.isArray(value)) {
      if (value.length === 0) return t("emptyList");
      return value.map((item) => (typeof item === "string" ? item : JSON.stringify(item, null, 1))).join("\n");
    }
    if (typeof value === "boolean") return t(value ? "on" : "off");
    if (typeof value === "number") return format.number(value, { maximumFractionDigits: 6 });
    return typeof value === "string" ? optionOf(setting, value) : JSON.stringify(value);
  };

  return { labelOf, descriptionOf, sectionOf, fieldOf, optionOf, warningOf, valueOf };
}

/** A description of the code, in which names of values are between backticks. */
export function Description({ children }: { children: string }) {
  return children.split("`").map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part));
}
