"""Rules in a set, services with tariffs and factors, runs, and what decisions share."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.constraints
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


# What one rule set weighed is its first rule now; the tariff and the factors of before are those of
# one service. Factors that were one sum stay one.
CARRIED_OVER = """
INSERT INTO routing_rule (rule_set_id, position, name, channel_kinds, deliveries, services, tiers,
    countries, regions, tags_any, tags_none, categories, kinds, max_km, min_free_units, in_time,
    relax_days, economic, ecological, logistical, retail, co2_price_per_kg, central_bonus,
    overstock_relief, last_unit_cost, workload_cost, split_penalty, late_penalty_per_day,
    refusal_cost, sort, split, max_parcels, otherwise, "when", offer_to)
SELECT id, 1, 'All orders', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', max_km, 0,
       false, 0, economic, ecological, logistical, retail, co2_price_per_kg, central_bonus,
       overstock_relief, 0, 0, split_penalty, late_penalty_per_day, refusal_cost, '{}', 'cheapest',
       max_parcels, 'queue', 'at_once', 1
  FROM routing_ruleset;
UPDATE routing_decision d SET rule_id = r.id FROM routing_rule r WHERE r.rule_set_id = d.rule_set_id;
INSERT INTO orders_deliveryservice (code, name, carrier, serves, transit, dangerous_goods, position,
    active)
SELECT 'parcel', 'Parcel', '', '{standard,express}',
       '[[300, 1], [1000, 2], [2500, 4], [null, 7]]', true, 1, true
 WHERE EXISTS (SELECT 1 FROM routing_tariffband) OR EXISTS (SELECT 1 FROM routing_emissionfactor);
UPDATE routing_tariffband SET service_id = (SELECT id FROM orders_deliveryservice);
CREATE TEMPORARY TABLE was ON COMMIT DROP AS SELECT * FROM routing_emissionfactor ORDER BY id LIMIT 1;
DELETE FROM routing_emissionfactor;
INSERT INTO routing_emissionfactor (code, name, mode, kg_per_tkm, wtt_kg_per_tkm, source, year,
    kg_fixed_per_parcel, kg_per_tkm_last_mile, kg_per_tkm_linehaul, last_mile_km, detour_factor)
SELECT leg.code, leg.name, leg.mode, leg.kg, 0, was.source, was.year, 0, 0, 0, 0, 0
  FROM was CROSS JOIN LATERAL (VALUES
       ('last-mile', 'Last mile', 'van', was.kg_per_tkm_last_mile),
       ('linehaul', 'Linehaul', 'truck', was.kg_per_tkm_linehaul)) AS leg(code, name, mode, kg);
INSERT INTO routing_serviceemission (service_id, last_mile_id, linehaul_id, last_mile_km,
    detour_factor, kg_fixed_per_parcel)
SELECT s.id, (SELECT id FROM routing_emissionfactor WHERE code = 'last-mile'),
       (SELECT id FROM routing_emissionfactor WHERE code = 'linehaul'), was.last_mile_km,
       was.detour_factor, was.kg_fixed_per_parcel
  FROM was, orders_deliveryservice s;
DROP TABLE was;
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
"""

# A house that works already goes on with the reasons that it has.
REASONS = """
INSERT INTO routing_refusalreason (code, name, effect, bucket, asks_count, automatic, position,
    active)
SELECT r.*, true
  FROM (VALUES ('not_found', 'not found on the shelf', 'block', 'missing', true, false, 1),
               ('all_gone', 'none left at all', 'block_all', 'missing', true, false, 2),
               ('damaged', 'damaged', 'block', 'damaged', true, false, 3),
               ('too_busy', 'no time today', 'none', 'missing', false, false, 4),
               ('closed', 'closed', 'none', 'missing', false, false, 5),
               ('other', 'other', 'none', 'missing', false, false, 6),
               ('timeout', 'not accepted in time', 'none', 'missing', false, true, 7)) AS r
 WHERE EXISTS (SELECT 1 FROM routing_ruleset)
"""

# What decides or has decided never changes: its rules, their stock points, its channels. A draft
# that is deleted takes its rules with it. A stock point that is the fallback of an active rule set
# stays open; the lock lets the closing of a place and the activation of its rule wait for each
# other, so one of them sees the other.
IMMUTABLE = """
CREATE FUNCTION routing_only_drafts_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    rows jsonb := CASE TG_OP WHEN 'INSERT' THEN jsonb_build_array(to_jsonb(NEW))
                             WHEN 'DELETE' THEN jsonb_build_array(to_jsonb(OLD))
                             ELSE jsonb_build_array(to_jsonb(OLD), to_jsonb(NEW)) END;
    closed text;
BEGIN
    SELECT s.name || ' v' || s.version || ' is ' || s.state INTO closed
      FROM jsonb_array_elements(rows) AS row
      JOIN routing_ruleset s ON s.state <> 'draft' AND s.id = coalesce(
           (row ->> 'rule_set_id')::bigint, (row ->> 'ruleset_id')::bigint,
           (SELECT r.rule_set_id FROM routing_rule r WHERE r.id = (row ->> 'rule_id')::bigint))
     LIMIT 1;
    IF closed IS NOT NULL THEN
        RAISE EXCEPTION '%: it never changes, make a new version of it', closed
              USING ERRCODE = 'check_violation', CONSTRAINT = 'rule_set_never_changes';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER rule_of_draft BEFORE INSERT OR UPDATE OR DELETE ON routing_rule
    FOR EACH ROW EXECUTE FUNCTION routing_only_drafts_change();
CREATE TRIGGER rule_of_draft BEFORE INSERT OR UPDATE OR DELETE ON routing_rule_only
    FOR EACH ROW EXECUTE FUNCTION routing_only_drafts_change();
CREATE TRIGGER rule_of_draft BEFORE INSERT OR UPDATE OR DELETE ON routing_rule_never
    FOR EACH ROW EXECUTE FUNCTION routing_only_drafts_change();
CREATE TRIGGER rule_of_draft BEFORE INSERT OR UPDATE OR DELETE ON routing_ruleset_channels
    FOR EACH ROW EXECUTE FUNCTION routing_only_drafts_change();

CREATE FUNCTION routing_rule_set_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    closed text;
BEGIN
    IF OLD.state <> 'draft' AND (to_jsonb(NEW) - 'state' <> to_jsonb(OLD) - 'state'
                                 OR (OLD.state, NEW.state) NOT IN (
                                     ('active', 'active'), ('active', 'archived'),
                                     ('archived', 'archived'))) THEN
        RAISE EXCEPTION '% v% is %: it never changes, make a new version of it',
              OLD.name, OLD.version, OLD.state
              USING ERRCODE = 'check_violation', CONSTRAINT = 'rule_set_never_changes';
    END IF;
    IF NEW.state = 'active' AND OLD.state <> 'active' THEN
        PERFORM FROM inventory_location l JOIN routing_rule r ON r.fallback_id = l.id
          WHERE r.rule_set_id = NEW.id ORDER BY l.id FOR SHARE OF l;
        SELECT l.name INTO closed FROM inventory_location l JOIN routing_rule r
               ON r.fallback_id = l.id WHERE r.rule_set_id = NEW.id AND NOT l.active LIMIT 1;
        IF closed IS NOT NULL THEN
            RAISE EXCEPTION '% is closed and a fallback of % v%: name another',
                  closed, NEW.name, NEW.version
                  USING ERRCODE = 'check_violation', CONSTRAINT = 'fallback_is_open';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rule_set_changes BEFORE UPDATE ON routing_ruleset
    FOR EACH ROW EXECUTE FUNCTION routing_rule_set_changes();

CREATE FUNCTION routing_fallback_stays_open() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    rule text;
BEGIN
    SELECT 'rule ' || r.position || ' of ' || s.name || ' v' || s.version INTO rule
      FROM routing_rule r JOIN routing_ruleset s ON s.id = r.rule_set_id AND s.state = 'active'
     WHERE r.fallback_id = NEW.id AND r.otherwise = 'fallback' ORDER BY s.id, r.position LIMIT 1;
    IF rule IS NOT NULL THEN
        RAISE EXCEPTION '% is the fallback of %: activate a version that names another first',
              NEW.name, rule
              USING ERRCODE = 'check_violation', CONSTRAINT = 'fallback_is_open';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER fallback_stays_open AFTER UPDATE OF active ON inventory_location
    FOR EACH ROW WHEN (OLD.active AND NOT NEW.active)
    EXECUTE FUNCTION routing_fallback_stays_open();
"""
MUTABLE = """
DROP TRIGGER fallback_stays_open ON inventory_location;
DROP TRIGGER rule_set_changes ON routing_ruleset;
DROP TRIGGER rule_of_draft ON routing_ruleset_channels;
DROP TRIGGER rule_of_draft ON routing_rule_never;
DROP TRIGGER rule_of_draft ON routing_rule_only;
DROP TRIGGER rule_of_draft ON routing_rule;
DROP FUNCTION routing_fallback_stays_open, routing_rule_set_changes, routing_only_drafts_change;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('inventory', '0005_captured_from_anywhere'),
        ('orders', '0005_services_tiers'),
        ('routing', '0003_capacity_of_both_deliveries'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='DecisionBase',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hash', models.CharField(help_text='SHA-256 of the data', max_length=64, unique=True)),
                ('data', models.JSONField()),
            ],
        ),
        migrations.CreateModel(
            name='OpenOffer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slices', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), help_text='ids of the slices in it', size=None)),
                ('state', models.CharField(choices=[('open', 'open'), ('taken', 'taken'), ('missed', 'taken by another'), ('expired', 'expired')], default='open', max_length=8)),
                ('offered_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='RefusalReason',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.SlugField(max_length=20, unique=True)),
                ('name', models.CharField(max_length=60)),
                ('effect', models.CharField(choices=[('none', 'nothing: the stock is there'), ('block', 'the refused units are not there'), ('block_all', 'none of the product is there')], default='none', max_length=9)),
                ('bucket', models.CharField(choices=[('missing', 'missing'), ('damaged', 'damaged')], default='missing', help_text='where blocked units go', max_length=10)),
                ('asks_count', models.BooleanField(default=False, help_text='the books are wrong: somebody counts', verbose_name='asks for a count')),
                ('automatic', models.BooleanField(default=False, help_text='written by the house; stock points are not offered it')),
                ('position', models.PositiveSmallIntegerField(default=100)),
                ('active', models.BooleanField(default=True)),
            ],
            options={
                'ordering': ['position', 'name'],
            },
        ),
        migrations.RunSQL(REASONS, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='refusal',
            name='reason',
            field=models.CharField(help_text='code of a RefusalReason', max_length=20),
        ),
        migrations.CreateModel(
            name='UnfillableSlice',
            fields=[
            ],
            options={
                'verbose_name': 'unfillable units',
                'verbose_name_plural': 'unfillable units',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('orders.allocation',),
        ),
        migrations.CreateModel(
            name='Rule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField(default=1)),
                ('name', models.CharField(default='All orders', max_length=60)),
                ('channel_kinds', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), blank=True, default=list, help_text='kinds of channels', size=None)),
                ('deliveries', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), blank=True, default=list, help_text='delivery methods', size=None)),
                ('services', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), blank=True, default=list, help_text='speeds', size=None)),
                ('min_total', models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True)),
                ('max_total', models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True)),
                ('tiers', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), blank=True, default=list, help_text='customer tiers', size=None)),
                ('countries', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=2), blank=True, default=list, help_text='two letters each', size=None)),
                ('regions', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), blank=True, default=list, size=None)),
                ('tags_any', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, default=list, help_text='the order has one of these tags', size=None)),
                ('tags_none', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, default=list, help_text='the order has none of these tags', size=None)),
                ('categories', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, default=list, help_text='one of its products is of one of these categories', size=None)),
                ('promised_within_days', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('kinds', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), blank=True, default=list, help_text='kinds of stock points', size=None)),
                ('max_km', models.FloatField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(0)])),
                ('min_free_units', models.PositiveIntegerField(default=0, help_text='fewer free units of a product are not counted on')),
                ('in_time', models.BooleanField(default=False, help_text='who cannot keep the promise is out')),
                ('relax_days', models.PositiveSmallIntegerField(default=0, help_text='days later than promised, if nobody is in time')),
                ('economic', models.FloatField(default=1.0, help_text='shipping cost', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(10)])),
                ('ecological', models.FloatField(default=1.0, help_text='CO₂e at its price', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(10)])),
                ('logistical', models.FloatField(default=1.0, help_text='handling, central warehouse, splits, lateness, workload, refusals', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(10)])),
                ('retail', models.FloatField(default=1.0, help_text='overstock that must sell, last units that others will want', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(10)])),
                ('co2_price_per_kg', models.DecimalField(decimal_places=2, default='0.20', help_text='what a kg of CO₂e counts as', max_digits=8, validators=[django.core.validators.MinValueValidator(0)])),
                ('central_bonus', models.DecimalField(decimal_places=2, default='0.50', help_text='money that a parcel from elsewhere must save', max_digits=8, validators=[django.core.validators.MinValueValidator(0)])),
                ('overstock_relief', models.DecimalField(decimal_places=3, default='0.050', help_text='share of the price credited per overstock unit that leaves', max_digits=4, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)])),
                ('last_unit_cost', models.DecimalField(decimal_places=3, default='0.000', help_text="share of the price that a place's last unit counts as", max_digits=4, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)])),
                ('workload_cost', models.DecimalField(decimal_places=2, default='0.00', help_text='what a parcel counts as where the day is full', max_digits=8, validators=[django.core.validators.MinValueValidator(0)])),
                ('split_penalty', models.DecimalField(decimal_places=2, default='2.00', help_text='for each parcel after the first', max_digits=8, validators=[django.core.validators.MinValueValidator(0)])),
                ('late_penalty_per_day', models.DecimalField(decimal_places=2, default='3.00', help_text='for each day after the promise', max_digits=8, validators=[django.core.validators.MinValueValidator(0)])),
                ('refusal_cost', models.DecimalField(decimal_places=2, default='4.00', help_text='what a refused line costs, times how likely it is', max_digits=8, validators=[django.core.validators.MinValueValidator(0)])),
                ('sort', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), blank=True, default=list, help_text='instead of weights: who comes first, and among equals who then', size=None)),
                ('split', models.CharField(choices=[('cheapest', 'whatever is cheapest'), ('if_needed', 'only if nobody has all of it'), ('never', 'never')], default='cheapest', max_length=9)),
                ('max_parcels', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(50)])),
                ('min_part_value', models.DecimalField(blank=True, decimal_places=2, help_text='each parcel of a split is worth at least this', max_digits=12, null=True)),
                ('otherwise', models.CharField(choices=[('next', 'the next rule that fits'), ('queue', 'it waits for stock or a person'), ('backorder', 'it waits for what is on its way'), ('cancel', 'it is canceled after the days below'), ('fallback', 'the fallback stock point gets it')], default='queue', max_length=9)),
                ('cancel_after_days', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('when', models.CharField(choices=[('at_once', 'at once'), ('run', 'in the next run; express at once')], default='at_once', max_length=7)),
                ('accept_minutes', models.PositiveIntegerField(blank=True, help_text='not accepted until then, it goes elsewhere; empty: never', null=True)),
                ('offer_to', models.PositiveSmallIntegerField(default=1, help_text='stores it is offered to; the first to take it has it', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(20)])),
            ],
            options={
                'ordering': ['rule_set', 'position'],
            },
        ),
        migrations.CreateModel(
            name='Run',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('cause', models.CharField(help_text='timetable, orders that wait, manual, by key and its name', max_length=60)),
                ('joint', models.BooleanField(default=True, verbose_name='optimized together')),
                ('sort', models.CharField(choices=[('oldest', 'oldest first'), ('promise', 'earliest promise first'), ('value', 'highest total first')], default='oldest', max_length=7, verbose_name='order of the orders')),
                ('state', models.CharField(choices=[('waiting', 'waits'), ('running', 'runs'), ('done', 'done'), ('stopped', 'stopped'), ('failed', 'failed')], default='waiting', max_length=8)),
                ('channels', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), blank=True, default=list, help_text='its scope; empty: all', size=None)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('cursor', models.BigIntegerField(default=0, help_text='the order up to which, in its sort, all were looked at')),
                ('position', models.FloatField(blank=True, help_text='of that order, what it is sorted by', null=True)),
                ('total', models.PositiveIntegerField(default=0, help_text='orders it began with')),
                ('done', models.PositiveIntegerField(default=0)),
                ('routed', models.PositiveIntegerField(default=0)),
                ('partial', models.PositiveIntegerField(default=0)),
                ('unfillable', models.PositiveIntegerField(default=0)),
                ('skipped', models.PositiveIntegerField(default=0, help_text='on hold, or changed meanwhile')),
                ('parcels', models.PositiveIntegerField(default=0)),
                ('cost', models.DecimalField(decimal_places=4, default=0, max_digits=14)),
                ('kg_co2', models.FloatField(default=0)),
                ('single_cost', models.DecimalField(blank=True, decimal_places=4, help_text='what the same orders would have cost one by one', max_digits=14, null=True)),
                ('gap', models.FloatField(blank=True, help_text='how far from the proven best at most, as a share', null=True)),
                ('error', models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name='RunPlan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60, unique=True)),
                ('every_minutes', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)])),
                ('cron', models.CharField(blank=True, help_text='minute, hour, day, month, weekday in UTC, e.g. 0 6,14 * * 1-5', max_length=60)),
                ('when_waiting', models.PositiveIntegerField(blank=True, help_text='it also starts as soon as so many new ones wait, at the latest by its timetable; without one, who waits a day is routed alone', null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='orders that wait')),
                ('joint', models.BooleanField(default=True, help_text='scarce stock and full days go where they save most; otherwise first come', verbose_name='optimized together')),
                ('sort', models.CharField(choices=[('oldest', 'oldest first'), ('promise', 'earliest promise first'), ('value', 'highest total first')], default='oldest', help_text='who is asked first for stock and days; together, who is asked first of the rest', max_length=7, verbose_name='order of the orders')),
                ('active', models.BooleanField(default=True)),
                ('last_started_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='ServiceEmission',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('last_mile_km', models.FloatField(default=30, validators=[django.core.validators.MinValueValidator(0)])),
                ('detour_factor', models.FloatField(default=1.25, help_text='road over great circle', validators=[django.core.validators.MinValueValidator(1)])),
                ('kg_fixed_per_parcel', models.FloatField(default=0.27, help_text='sorting, packaging, the stop at the door', validators=[django.core.validators.MinValueValidator(0)])),
            ],
        ),
        migrations.AlterModelOptions(
            name='emissionfactor',
            options={'ordering': ['mode', 'name']},
        ),
        migrations.AlterModelOptions(
            name='tariffband',
            options={'ordering': ['service', 'max_km', 'max_g']},
        ),
        migrations.RemoveConstraint(
            model_name='tariffband',
            name='tariff_band_once',
        ),
        migrations.AddField(
            model_name='decision',
            name='attempts',
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, help_text='the rules that were tried, in order, and why the next one was'),
        ),
        migrations.AddField(
            model_name='emissionfactor',
            name='code',
            field=models.SlugField(max_length=40, null=True, unique=True),
        ),
        migrations.AddField(
            model_name='emissionfactor',
            name='kg_per_tkm',
            field=models.FloatField(default=0, validators=[django.core.validators.MinValueValidator(0)], verbose_name='kg CO₂e per tonne-km'),
        ),
        migrations.AddField(
            model_name='emissionfactor',
            name='mode',
            field=models.CharField(default='van', help_text='van, truck, rail, air, bike', max_length=20),
        ),
        migrations.AddField(
            model_name='emissionfactor',
            name='wtt_kg_per_tkm',
            field=models.FloatField(default=0, validators=[django.core.validators.MinValueValidator(0)], verbose_name='and of its energy (well to tank)'),
        ),
        migrations.AddField(
            model_name='offer',
            name='accept_by',
            field=models.DateTimeField(blank=True, help_text='not accepted until then, it goes elsewhere', null=True),
        ),
        migrations.AddField(
            model_name='offer',
            name='kg_co2',
            field=models.FloatField(blank=True, help_text='planned for its parcel', null=True),
        ),
        migrations.AddField(
            model_name='offer',
            name='service',
            field=models.CharField(blank=True, db_default='', default='', help_text='code of the delivery service it was planned with', max_length=40),
        ),
        migrations.AddField(
            model_name='refusal',
            name='excluded_until',
            field=models.DateTimeField(blank=True, help_text='asked for the line again after that; empty: never', null=True),
        ),
        migrations.AddField(
            model_name='ruleset',
            name='exclude_days',
            field=models.PositiveSmallIntegerField(blank=True, help_text='who refused a line is asked for it again after so many days; empty: never', null=True, validators=[django.core.validators.MinValueValidator(1)]),
        ),
        migrations.AddField(
            model_name='tariffband',
            name='service',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='bands', to='orders.deliveryservice'),
        ),
        migrations.AlterField(
            model_name='emissionfactor',
            name='name',
            field=models.CharField(max_length=100),
        ),
        migrations.AlterField(
            model_name='ruleset',
            name='max_attempts',
            field=models.PositiveSmallIntegerField(default=4, help_text='how often units are refused before a person decides', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(10)]),
        ),
        migrations.AddIndex(
            model_name='offer',
            index=models.Index(condition=models.Q(('accept_by__isnull', False)), fields=['accept_by'], name='offer_accept_by'),
        ),
        migrations.AddConstraint(
            model_name='tariffband',
            constraint=models.UniqueConstraint(fields=('service', 'max_km', 'max_g'), name='tariff_band_once'),
        ),
        migrations.AddField(
            model_name='decision',
            name='base',
            field=models.ForeignKey(blank=True, db_index=False, help_text='the part of the inputs that it shares with others', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='routing.decisionbase'),
        ),
        migrations.AddField(
            model_name='openoffer',
            name='decision',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='open_offers', to='routing.decision'),
        ),
        migrations.AddField(
            model_name='openoffer',
            name='location',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='open_offers', to='inventory.location'),
        ),
        migrations.AddField(
            model_name='openoffer',
            name='order',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='open_offers', to='orders.order'),
        ),
        migrations.AddField(
            model_name='rule',
            name='fallback',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='fallback_of', to='inventory.location'),
        ),
        migrations.AddField(
            model_name='rule',
            name='never',
            field=models.ManyToManyField(blank=True, related_name='+', to='inventory.location'),
        ),
        migrations.AddField(
            model_name='rule',
            name='only',
            field=models.ManyToManyField(blank=True, related_name='+', to='inventory.location'),
        ),
        migrations.AddField(
            model_name='rule',
            name='rule_set',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rules', to='routing.ruleset'),
        ),
        migrations.AddField(
            model_name='decision',
            name='rule',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='routing.rule'),
        ),
        migrations.AddField(
            model_name='run',
            name='created_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='decision',
            name='run',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='routing.run'),
        ),
        migrations.AddIndex(
            model_name='decision',
            index=models.Index(condition=models.Q(('run__isnull', False)), fields=['run', 'id'], name='decision_of_run'),
        ),
        migrations.AddField(
            model_name='runplan',
            name='channels',
            field=models.ManyToManyField(blank=True, help_text='none: all of them', to='orders.saleschannel'),
        ),
        migrations.AddField(
            model_name='run',
            name='plan',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='runs', to='routing.runplan'),
        ),
        migrations.AddField(
            model_name='serviceemission',
            name='last_mile',
            field=models.ForeignKey(help_text='the first kilometers', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='routing.emissionfactor'),
        ),
        migrations.AddField(
            model_name='serviceemission',
            name='linehaul',
            field=models.ForeignKey(help_text='all others', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='routing.emissionfactor'),
        ),
        migrations.AddField(
            model_name='serviceemission',
            name='service',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='emission', to='orders.deliveryservice'),
        ),
        migrations.AddIndex(
            model_name='openoffer',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['location', 'offered_at'], name='open_offers'),
        ),
        migrations.AddConstraint(
            model_name='openoffer',
            constraint=models.UniqueConstraint(fields=('decision', 'location'), name='open_offer_once'),
        ),
        migrations.AddConstraint(
            model_name='openoffer',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'taken')), fields=('decision',), name='open_offer_taken_once'),
        ),
        migrations.AddConstraint(
            model_name='rule',
            constraint=models.UniqueConstraint(deferrable=django.db.models.constraints.Deferrable['DEFERRED'], fields=('rule_set', 'position'), name='rule_position_once'),
        ),
        migrations.AddConstraint(
            model_name='rule',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('otherwise', 'fallback'), _negated=True), ('fallback__isnull', False), _connector='OR'), name='rule_fallback_named'),
        ),
        migrations.AddConstraint(
            model_name='rule',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('otherwise', 'cancel'), _negated=True), ('cancel_after_days__isnull', False), _connector='OR'), name='rule_cancel_days_named'),
        ),
        migrations.AddConstraint(
            model_name='runplan',
            constraint=models.CheckConstraint(condition=models.Q(('every_minutes', None), ('cron', ''), _connector='OR'), name='run_plan_one_timetable'),
        ),
        migrations.AddConstraint(
            model_name='runplan',
            constraint=models.CheckConstraint(condition=models.Q(('every_minutes__isnull', False), models.Q(('cron', ''), _negated=True), ('when_waiting__isnull', False), _connector='OR'), name='run_plan_starts'),
        ),
        migrations.AddConstraint(
            model_name='runplan',
            constraint=models.CheckConstraint(condition=models.Q(('when_waiting', None), ('when_waiting__gt', 0), _connector='OR'), name='run_plan_waiting_positive'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(condition=models.Q(('state__in', ['waiting', 'running'])), fields=['created_at'], name='run_open'),
        ),
        migrations.AddConstraint(
            model_name='run',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['waiting', 'running'])), fields=('plan',), name='run_one_open_per_plan'),
        ),
        migrations.RunSQL(CARRIED_OVER, migrations.RunSQL.noop),
        migrations.RemoveField(
            model_name='emissionfactor',
            name='detour_factor',
        ),
        migrations.RemoveField(
            model_name='emissionfactor',
            name='kg_fixed_per_parcel',
        ),
        migrations.RemoveField(
            model_name='emissionfactor',
            name='kg_per_tkm_last_mile',
        ),
        migrations.RemoveField(
            model_name='emissionfactor',
            name='kg_per_tkm_linehaul',
        ),
        migrations.RemoveField(
            model_name='emissionfactor',
            name='last_mile_km',
        ),
        migrations.RemoveField(
            model_name='ruleset',
            name='central_bonus',
        ),
        migrations.RemoveField(
            model_name='ruleset',
            name='co2_price_per_kg',
        ),
        migrations.RemoveField(
            model_name='ruleset',
            name='ecological',
        ),
        migrations.RemoveField(
            model_name='ruleset',
            name='economic',
        ),
        migrations.RemoveField(
            model_name='ruleset',
            name='late_penalty_per_day',
        ),
        migrations.RemoveField(
            model_name='ruleset',
            name='logistical',
        ),
        migrations.RemoveField(
            model_name='ruleset',
            name='max_km',
        ),
        migrations.RemoveField(
            model_name='ruleset',
            name='max_parcels',
        ),
        migrations.RemoveField(
            model_name='ruleset',
            name='overstock_relief',
        ),
        migrations.RemoveField(
            model_name='ruleset',
            name='refusal_cost',
        ),
        migrations.RemoveField(
            model_name='ruleset',
            name='retail',
        ),
        migrations.RemoveField(
            model_name='ruleset',
            name='split_penalty',
        ),
        migrations.AlterField(
            model_name='tariffband',
            name='service',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='bands', to='orders.deliveryservice'),
        ),
        migrations.AlterField(
            model_name='emissionfactor',
            name='code',
            field=models.SlugField(max_length=40, unique=True),
        ),
        migrations.AlterField(
            model_name='emissionfactor',
            name='mode',
            field=models.CharField(help_text='van, truck, rail, air, bike', max_length=20),
        ),
        migrations.AlterField(
            model_name='emissionfactor',
            name='kg_per_tkm',
            field=models.FloatField(validators=[django.core.validators.MinValueValidator(0)], verbose_name='kg CO₂e per tonne-km'),
        ),
        migrations.RunSQL(IMMUTABLE, MUTABLE),
    ]
