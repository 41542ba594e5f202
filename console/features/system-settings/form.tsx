"use client";

import { useQueryClient } from "@tanstack/react-query";
import { ApiError } from "undercroft-client";
import { useMemo, useState } from "react";
import { useFieldArray } from "react-hook-form";
import * as z from "zod/mini";
import { Conflict } from "@/components/conflict";
import { Form, Submit, useServerForm, type ServerForm } from "@/components/form";
import { Button } from "@/components/ui/button";
import { DialogActions } from "@/components/ui/dialog";
import { Checkbox, SelectField, TextArea, TextField } from "@/components/ui/field";
import { useTranslations } from "@/lib/i18n";
import { useChange } from "./actions";
import { controlOf, type Control, type Field } from "./control";
import { SETTINGS, readSetting, type Setting } from "./queries";
import { useSettingTexts } from "./texts";
import { fromForm, newItem, toForm, type SettingValues } from "./values";

/** Texts that may be longer than this have several lines. */
const LONG = 200;

/** Changes one setting. */
export function SettingForm({ setting, onSaved }: { setting: Setting; onSaved: () => void }) {
  const t = useTranslations("settings");
  const common = useTranslations("common");
  const texts = useSettingTexts();
  const client = useQueryClient();
  const control = useMemo(() => controlOf(setting), [setting]);
  const [base, setBase] = useState(setting); // the version that the user has seen
  const [latest, setLatest] = useState<Setting>();
  const change = useChange(setting, { showsErrors: true });
  const form = useServerForm<SettingValues>({
    schema: useMemo(() => createSchema(control), [control]),
    values: toForm(control, setting.value),
    fieldOf: { INVALID_SETTING: "value" },
    submit: async (values) => {
      try {
        await change.mutateAsync({ value: fromForm(control, values), version: base.version });
        onSaved();
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 412)) throw error;
        setLatest(await readSetting(setting.name));
        void client.invalidateQueries({ queryKey: SETTINGS });
      }
    },
  });
  return (
    <Form form={form}>
      {latest !== undefined && (
        <Conflict
          labels={{ value: t("value") }}
          mine={{ value: texts.valueOf(setting, fromForm(control, form.form.getValues())) }}
          latest={{ value: texts.valueOf(setting, latest.value) }}
          onKeepMine={() => {
            setBase(latest);
            setLatest(undefined);
          }}
          onTakeLatest={() => {
            form.form.reset(toForm(control, latest.value));
            setBase(latest);
            setLatest(undefined);
          }}
        />
      )}
      <ValueControl setting={setting} control={control} form={form} />
      <p className="text-sm text-quiet">{t("live")}</p>
      <DialogActions>
        <Submit form={form}>{common("save")}</Submit>
      </DialogActions>
    </Form>
  );
}

/** Checks in the browser only what would not be a value at all; the server knows the rest. */
function createSchema(control: Control): z.ZodMiniType<SettingValues, SettingValues> {
  const value = z.string().check(
    z.refine((text) => ["list", "objects"].includes(control.kind) || text.trim() !== "", "required"),
    z.refine((text) => control.kind !== "number" || text.trim() === "" || !Number.isNaN(Number(text)), "number"),
    z.refine((text) => control.kind !== "json" || text.trim() === "" || isJson(text), "json"),
  );
  const items = z.array(z.record(z.string(), z.union([z.string(), z.boolean()]))).check((context) => {
    if (control.kind !== "objects") return;
    const required = control.fields.filter(({ isRequired }) => isRequired);
    for (const [index, item] of context.value.entries())
      for (const { name } of required)
        if (item[name] === "")
          context.issues.push({ code: "custom", message: "required", input: item, path: [index, name] });
  });
  return z.object({ value, items });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

interface ControlProps {
  setting: Setting;
  control: Control;
  form: ServerForm<SettingValues>;
}

function ValueControl({ setting, control, form }: ControlProps) {
  const t = useTranslations("settings");
  const texts = useSettingTexts();
  const { error: key, ...field } = form.field("value");
  const error = key === "number" ? t("invalidNumber") : key === "json" ? t("invalidJson") : key;
  const attributes = { label: t("value"), error, ...field };
  switch (control.kind) {
    case "choice":
      return <SelectField options={optionsOf(control, (option) => texts.optionOf(setting, option))} {...attributes} />;
    case "number":
      return <TextField {...numberAttributes(control)} {...attributes} />;
    case "list":
      return <TextArea hint={t("onePerLine")} rows={6} spellCheck={false} {...attributes} />;
    case "objects":
      return <Items setting={setting} control={control} form={form} error={error} />;
    case "json":
      return <TextArea hint={t("asJson")} rows={8} spellCheck={false} {...attributes} />;
    default:
      return <TextControl control={control} {...attributes} />;
  }
}

const optionsOf = (control: Extract<Control, { kind: "choice" }>, label: (option: string) => string) =>
  control.options.map((value) => ({ value, label: label(value) }));

const numberAttributes = ({ isInteger, minimum, maximum }: Extract<Control, { kind: "number" }>) => ({
  type: "number",
  inputMode: isInteger ? ("numeric" as const) : ("decimal" as const),
  step: isInteger ? 1 : "any",
  min: minimum,
  max: maximum,
});

type TextProps = Omit<React.ComponentProps<typeof TextField>, "ref"> & { control: Control };

function TextControl({ control, ...props }: TextProps) {
  if (control.kind !== "text") return <TextField {...props} />;
  if ((control.maxLength ?? 0) > LONG)
    return <TextArea maxLength={control.maxLength} {...(props as React.ComponentProps<typeof TextArea>)} />;
  return <TextField type={control.isTime ? "datetime-local" : "text"} maxLength={control.maxLength} {...props} />;
}

interface ItemsProps extends ControlProps {
  control: Extract<Control, { kind: "objects" }>;
  error: string | undefined;
}

/** A list whose entries have several fields, such as announcements. */
function Items({ setting, control, form, error }: ItemsProps) {
  const t = useTranslations("settings");
  const { fields: items, append, remove } = useFieldArray({ control: form.form.control, name: "items" });
  const canAdd = control.maximum === undefined || items.length < control.maximum;
  return (
    <div className="grid gap-4">
      {items.length === 0 && <p className="text-sm text-quiet">{t("noEntries")}</p>}
      {items.map((item, index) => (
        <fieldset key={item.id} className="grid gap-3 rounded-lg border border-line p-4">
          <legend className="px-1 text-sm text-quiet">{t("entry", { number: index + 1 })}</legend>
          {control.fields.map((field) => (
            <ItemField key={field.name} setting={setting} field={field} index={index} form={form} />
          ))}
          <Button variant="danger" size="small" className="justify-self-start" onClick={() => remove(index)}>
            {t("removeEntry")}
          </Button>
        </fieldset>
      ))}
      {error !== undefined && (
        <p role="alert" className="text-sm text-bad">
          {error}
        </p>
      )}
      {canAdd && (
        <Button
          variant="secondary"
          size="small"
          className="justify-self-start"
          onClick={() => append(newItem(control.fields))}
        >
          {t("addEntry")}
        </Button>
      )}
    </div>
  );
}

interface ItemFieldProps {
  setting: Setting;
  field: Field;
  index: number;
  form: ServerForm<SettingValues>;
}

function ItemField({ setting, field, index, form }: ItemFieldProps) {
  const t = useTranslations("settings");
  const texts = useSettingTexts();
  const { error, ...registered } = form.field(`items.${index}.${field.name}`);
  const label = texts.fieldOf(setting, field.name);
  const { control } = field;
  if (control.kind === "boolean") return <Checkbox label={label} {...registered} />;
  if (control.kind === "choice")
    return (
      <SelectField
        label={label}
        error={error}
        options={optionsOf(control, (option) => texts.optionOf(setting, option))}
        {...registered}
      />
    );
  if (control.kind === "number")
    return <TextField label={label} error={error} {...numberAttributes(control)} {...registered} />;
  const hint = control.kind === "text" && control.isTime ? t("timeHint") : undefined;
  return <TextControl control={control} label={label} hint={hint} error={error} {...registered} />;
}
