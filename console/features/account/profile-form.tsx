"use client";

import { useQueryClient } from "@tanstack/react-query";
import type { ProfileRead } from "undercroft-client";
import * as z from "zod/mini";
import { Form, Submit, useServerForm, type ServerForm } from "@/components/form";
import { Button } from "@/components/ui/button";
import { Checkbox, SelectField, TextField } from "@/components/ui/field";
import { ME, useMe } from "@/features/session/session";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { LOCALES, useLocale, useTranslations, type Locale } from "@/lib/i18n";

const schema = z.object({
  full_name: z.string().check(z.trim(), z.maxLength(200, "tooLong")),
  locale: z.string(),
  timezone: z.string(),
  /** In an array, because topics contain dots, which separate the names of nested fields. */
  notifications: z.array(z.object({ topic: z.string(), wanted: z.boolean() })),
});

type Values = z.infer<typeof schema>;

/** Edits the user's profile, and switches the console to the chosen language. */
export function ProfileForm() {
  const t = useTranslations("account");
  const common = useTranslations("common");
  const me = useMe();
  const client = useQueryClient();
  const { choose } = useLocale();
  const save = useAction({
    run: ({ notifications, ...values }: Values) =>
      api.profile.update({
        ...values,
        notifications: Object.fromEntries(notifications.map(({ topic, wanted }) => [topic, wanted])),
      }),
    success: t("saved"),
    onSuccess: (saved: ProfileRead) => {
      client.setQueryData(ME, saved);
      const language = languageOf(saved.locale);
      if (language !== undefined && saved.locale !== me.locale) choose(language);
    },
    showsErrors: true,
  });
  const form = useServerForm<Values>({
    schema,
    values: {
      full_name: me.full_name,
      locale: me.locale,
      timezone: me.timezone,
      notifications: Object.entries(me.notifications).map(([topic, wanted]) => ({ topic, wanted })),
    },
    submit: save.mutateAsync,
  });
  return (
    <Form form={form} className="grid max-w-xl gap-4">
      <TextField
        label={t("name")}
        hint={t("nameHint")}
        maxLength={200}
        autoComplete="name"
        {...form.field("full_name")}
      />
      <SelectField
        label={t("locale")}
        hint={t("localeHint")}
        options={localeOptions(me.locale)}
        {...form.field("locale")}
      />
      <TimeZoneField form={form} current={me.timezone} />
      <Notifications form={form} />
      <div>
        <Submit form={form}>{common("save")}</Submit>
      </div>
    </Form>
  );
}

function languageOf(locale: string): Locale | undefined {
  const language = locale.slice(0, 2);
  return language in LOCALES ? (language as Locale) : undefined;
}

/** The languages of the console, and the user's own if it is another one. */
function localeOptions(current: string): { value: string; label: string }[] {
  const options: { value: string; label: string }[] = Object.entries(LOCALES).map(([value, label]) => ({
    value,
    label,
  }));
  if (current in LOCALES) return options;
  return [
    ...options,
    { value: current, label: new Intl.DisplayNames([current], { type: "language" }).of(current) ?? current },
  ];
}

function TimeZoneField({ form, current }: { form: ServerForm<Values>; current: string }) {
  const t = useTranslations("account");
  const chosen = form.form.watch("timezone");
  const local = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zones = new Set(["UTC", current, local, ...Intl.supportedValuesOf("timeZone")]);
  const options = [...zones].sort().map((value) => ({ value, label: value.replaceAll("_", " ") }));
  return (
    <div className="grid justify-items-start gap-2">
      <SelectField
        label={t("timezone")}
        hint={t("timezoneHint")}
        options={options}
        className="w-full"
        {...form.field("timezone")}
      />
      {local !== chosen && (
        <Button
          variant="secondary"
          size="small"
          className="h-auto min-h-8 py-1 whitespace-normal"
          onClick={() => form.form.setValue("timezone", local, { shouldDirty: true })}
        >
          {t("useLocalTimezone", { timezone: local.replaceAll("_", " ") })}
        </Button>
      )}
    </div>
  );
}

/** The topics that the product has stored for the user. */
function Notifications({ form }: { form: ServerForm<Values> }) {
  const t = useTranslations("account");
  const topics = form.form.getValues("notifications");
  if (topics.length === 0) return null;
  return (
    <fieldset className="grid gap-2">
      <legend className="mb-1.5 text-sm font-medium">{t("notifications")}</legend>
      {topics.map(({ topic }, index) => (
        <Checkbox key={topic} label={topic} {...form.form.register(`notifications.${index}.wanted`)} />
      ))}
    </fieldset>
  );
}
